export type RefusalCode =
  | 'signed-out'
  | 'identity-unlinked'
  | 'another-account'
  | 'invalid-input'
  | 'invalid-credentials'
  | 'forbidden-origin'
  | 'unknown-person'
  | 'supabase-unreachable'
  | 'setup-missing'

const STATUS: Record<RefusalCode, number> = {
  'signed-out': 401,
  'identity-unlinked': 403,
  'another-account': 403,
  'invalid-input': 400,
  'invalid-credentials': 401,
  'forbidden-origin': 403,
  'unknown-person': 404,
  'supabase-unreachable': 502,
  'setup-missing': 500,
}

/** Thrown anywhere below a route; the caller gets it as `{ code, message }` with the status of the code. */
export class Refusal extends Error {
  readonly status: number

  constructor(
    readonly code: RefusalCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.status = STATUS[code]
  }
}
