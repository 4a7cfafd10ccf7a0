// Where the stand-in is meant to answer otherwise than this PostgREST. The newer one is on hosted Supabase, and
// protocol.md 4.5 documents it; its source (`src/library/PostgREST/Error.hs`, `Auth/Jwt.hs`) says the rest.
// Each entry must apply to at least one request, and everything it does not name is compared.

const is = (code) => (old) => old.body?.code === code
const newCode = (code, message) => (old) => ({ ...old, body: { ...old.body, code, message: message ?? old.body.message } })
/** What the stand-in says is taken over into what is expected, field by field. */
const own = (...fields) => (old, ours) => ({ ...old, body: { ...old.body, ...Object.fromEntries(fields.map((field) => [field, ours.body?.[field]])) } })
const ownChallenge = (old, ours) => ({ ...old, headers: { ...old.headers, 'www-authenticate': ours.headers['www-authenticate']?.startsWith('Bearer error="invalid_token"') ? ours.headers['www-authenticate'] : 'a challenge' } })
const status = (value) => (old) => ({ ...old, status: value })
const all = (...changes) => (old, ours) => changes.reduce((answer, change) => change(answer, ours), old)

/** `[what, whether it applies to PostgREST's answer to that request, the answer that is expected instead]` */
export const differences = [
  ['13: expired tokens are PGRST303', (old) => is('PGRST301')(old) && old.body.message === 'JWT expired', newCode('PGRST303')],
  ['13: claims have sentences and PGRST303', (old) => is('PGRST301')(old) && /^JWT(NotYetValid|IssuedAtFuture|ClaimsSetDecodeError)/.test(old.body.message), all(newCode('PGRST303'), own('message'), ownChallenge)],
  ['13: tokens that cannot be read have sentences', (old) => is('PGRST301')(old) && old.body.message.startsWith('JWSError'), all(own('message', 'details'), ownChallenge)],
  ['13: an empty bearer is refused, not anonymous', (old, name) => /^(empty bearer|bearer alone)$/.test(name), (old, ours) => ({ ...ours, status: 401, body: { ...ours.body, code: 'PGRST301' } })],
  ['13: a role that is not is 401', (old) => is('22023')(old) && /^role .* does not exist$/.test(old.body.message), (old) => ({ ...old, status: 401, headers: { ...old.headers, 'www-authenticate': 'Bearer' } })],
  ['13: PGRST116 has other words', is('PGRST116'), newCode('PGRST116', 'Cannot coerce the result to a single JSON object')],
  ['13: a table that is not is PGRST205', (old, name) => is('42P01')(old) && name.startsWith('a table that is not'), newCode('PGRST205', "Could not find the table 'public.nowhere' in the schema cache")],
  ['13: PGRST204 has other words', is('PGRST204'), newCode('PGRST204', "Could not find the 'colour' column of 'items' in the schema cache")],
  ['14: PGRST106 has other words', is('PGRST106'), own('message', 'hint')],
  ['13: what the Accept header wants in vain is 406', is('PGRST107'), status(406)],
  ['13: PGRST121 tells which part is no JSON', is('PGRST121'), own('message', 'details', 'hint')],
  ['13: a policy without an end is 500', is('42P17'), status(500)],
  ['13: 21000 and 53400 are 500', (old) => is('21000')(old) || is('53400')(old), (old) => ({ ...old, status: 500, headers: { ...old.headers, 'retry-after': undefined } })],
  ['14: 54000 is 500', is('54000'), status(500)],
  ['14: a path that is none has a body', (old, name) => name === 'a path below a table', (old, ours) => ({ ...old, body: { ...ours.body, code: 'PGRST125' } })],
  ['13: max-affected is known', (old, name) => name === 'supabase-js: max affected', (old, ours) => ({ ...old, body: { ...ours.body, code: 'PGRST124' } })],
  // The stand-in's own limits, which its README names.
  ['not imitated: the guess at a name in the hint of PGRST202', (old) => is('PGRST202')(old) && old.body.hint !== null, own('hint')],
  ['not imitated: where in a query string the mistake is', is('PGRST100'), own('message', 'details')],
  ['not imitated, and told by 501', (old, name) => /missing as default|insert unequal|as CSV/.test(name), (old, ours) => ({ ...ours, status: 501, database: old.database && ours.before })],
  ['not imitated: an OPTIONS without a table', (old, name) => name === 'options of nothing', (old, ours) => ({ ...ours, status: 404 })],
]
