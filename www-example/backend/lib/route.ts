import { corsHeaders, isAllowedOrigin, parseOrigins, preflightHeaders } from '@/lib/cors'
import { Refusal } from '@/lib/refusal'

type Handler = (request: Request) => Promise<Response>

/**
 * Makes the two handlers of one endpoint: the one for its method and the preflight. Only pages of ALLOWED_ORIGINS get
 * an answer; answers are never cached, and every refusal is `{ code, message }`.
 */
export function endpoint(method: string, handle: (request: Request) => Promise<unknown>): { handler: Handler; OPTIONS: Handler } {
  return {
    handler: (request) =>
      guarded(request, async () => {
        const body = await handle(request)
        return body === undefined ? new Response(null, { status: 204 }) : Response.json(body)
      }),
    OPTIONS: (request) => guarded(request, async () => new Response(null, { status: 204, headers: preflightHeaders(method) })),
  }
}

/** The request's JSON object. Any other type is refused: a form of a foreign page can post without a preflight. */
export async function jsonBody(request: Request): Promise<Record<string, unknown>> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  const body: unknown = type === 'application/json' ? await request.json().catch(() => undefined) : undefined
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Refusal('invalid-input', 'Send a JSON object with Content-Type: application/json.')
  }
  return body as Record<string, unknown>
}

async function guarded(request: Request, answer: () => Promise<Response>): Promise<Response> {
  const origin = request.headers.get('origin')
  const allowed = isAllowedOrigin(origin, parseOrigins(process.env['ALLOWED_ORIGINS']))
  let response: Response
  try {
    if (!allowed) {
      throw new Refusal('forbidden-origin', `Origin ${origin} is not in ALLOWED_ORIGINS of this backend.`)
    }
    response = await answer()
  } catch (error) {
    response = refused(error)
  }
  for (const [name, value] of Object.entries(corsHeaders(allowed ? origin : null))) response.headers.set(name, value)
  response.headers.set('Cache-Control', 'no-store')
  response.headers.set('X-Content-Type-Options', 'nosniff')
  return response
}

function refused(error: unknown): Response {
  if (error instanceof Refusal) {
    if (error.status >= 500) console.error(error)
    return Response.json({ code: error.code, message: error.message }, { status: error.status })
  }
  console.error(error)
  return Response.json({ code: 'server', message: 'The backend failed; its log says why.' }, { status: 500 })
}
