// What the parent asks of a member of a mesh, and what it answers: one request at a time for each member, over the channel of a forked process. Read by both sides.

import type { ChildProcess } from 'node:child_process'

export interface MemberCalls {
  /** Answers once it listens. */
  open(options: { readonly path: string; readonly number: number; readonly documents: number }): { readonly port: number }
  /** Answers when all links are synced. */
  dial(options: { readonly ports: readonly number[] }): null
  /** Begins to count anew; `decode`: looks into every frame, which costs time. */
  count(options: { readonly decode: boolean }): null
  /** Types at an even rate. */
  type(options: { readonly perSecond: number; readonly ms: number }): Written
  /** Types as fast as its own store takes it, with so many updates uncommitted. */
  hurry(options: { readonly inFlight: number; readonly ms: number }): Written
  root(): string
  report(): Report
  close(): null
}

export interface Written {
  /** When each of its updates was due, and its clock before the first of them. */
  readonly firstClock: number
  readonly dueAt: readonly number[]
}

export interface Report {
  readonly framesIn: number
  readonly bytesIn: number
  /** Updates that came by links, each copy counted. Only where frames are decoded. */
  readonly updatesIn: number
  /** Of each letter of another that was delivered here: writer, clock, when; flat. Only where frames are decoded. */
  readonly arrivals: readonly number[]
  readonly cpuMs: number
}

export type CallName = keyof MemberCalls
export type Options<C extends CallName> = Parameters<MemberCalls[C]> extends [infer O] ? O : null

export interface Request {
  readonly call: CallName
  readonly options: unknown
}

export type Answer = { readonly answer: unknown } | { readonly error: string }

/** Wall time with a fraction, alike in all processes of a machine. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Rejects when the member fails or ends. */
export function ask<C extends CallName>(member: ChildProcess, call: C, options: Options<C>): Promise<ReturnType<MemberCalls[C]>> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      member.off('message', hear)
      member.off('exit', ended)
    }
    const ended = (): void => {
      end()
      reject(new Error(`a member of the mesh ended during ${call}`))
    }
    const hear = (answer: Answer): void => {
      end()
      if ('error' in answer) reject(new Error(answer.error))
      else resolve(answer.answer as ReturnType<MemberCalls[C]>)
    }
    member.on('message', hear)
    member.once('exit', ended)
    const request: Request = { call, options }
    member.send(request)
  })
}
