// The messages that nearly all frames consist of, written out: what the message table says of them, several times as fast as going through it. Bytes and values are those that
// the table gives, which a test compares. Read by codec.ts. Rules: WI-1, IN-1.

import type { FieldCodec } from './codec-combinators.ts'
import { fieldCodecs } from './field-codecs.ts'
import type { Message, MessageKind, MessageOf } from './messages.ts'

const entries: FieldCodec<MessageOf<'entries'>> = {
  write(out, { channel, toSeq, rows }) {
    out.varuint(channel)
    out.varuint(toSeq)
    fieldCodecs.rows.write(out, rows)
  },
  read: (input) => ({ kind: 'entries', channel: input.varuint(), toSeq: input.varuint(), rows: fieldCodecs.rows.read(input) }),
}

const ack: FieldCodec<MessageOf<'ack'>> = {
  write(out, { channel, seq }) {
    out.varuint(channel)
    out.varuint(seq)
  },
  read: (input) => ({ kind: 'ack', channel: input.varuint(), seq: input.varuint() }),
}

export const hotCodecs: { readonly [K in MessageKind]?: FieldCodec<Message> } = {
  entries,
  ack,
}
