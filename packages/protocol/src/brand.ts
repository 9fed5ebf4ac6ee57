// Nominal types. Decides nothing at run time: a branded value can only come from its parser (ids.ts).

declare const brand: unique symbol

/** Marks a structural type as its own kind, so that a plain string never passes for an id. */
export interface Brand<Name extends string> {
  readonly [brand]: Name
}
