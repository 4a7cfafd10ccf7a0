// What the author of a page can do for a peer beside the import of its code, in some ten lines.

/**
 * What `<link rel="preconnect">` does in a page's head, without `crossorigin` for requests with cookies. Chromium leaves that out
 * in Playwright's contexts, which are off the record, so requests that come to nothing open the connections.
 */
export const connectTo = (links) => Promise.allSettled(links.map(({ href, credentials }) => fetch(href, { credentials })))

/** The preflight of the first page, which must be spelt as the peer will, the token and the thread. */
function begin({ url, key, tokenUrl, ensureUrl, other }, page, headers) {
  void fetch(`${url}/rest/v1/${page}`, { method: 'OPTIONS', headers: { apikey: key, authorization: `Bearer ${key}`, ...headers } })
  const token = fetch(tokenUrl, { credentials: 'include' })
  const thread = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ other_mongo_id: other }) }
  return { token, ensured: fetch(ensureUrl, { credentials: 'include', ...thread }) }
}

const COLUMNS = 'id,thread_id,sender_mongo_id,body,created_at,seq'

export const help = {
  /** And the WebAssembly, as the Vite plugin preloads it. */
  'chopped-chat': (config) => ({
    wasm: fetch('/chopped-chat/core_bg.wasm'),
    ...begin(config, `rpc/list_chat_messages?select=${COLUMNS}`, { 'content-type': 'application/json' }),
  }),
  'supabase-js': (config) => {
    const thread = [config.me, config.other].sort().join('__')
    const query = new URLSearchParams({ select: COLUMNS, thread_id: `eq.${thread}`, order: 'created_at.desc', limit: config.pageSize })
    return begin(config, `chat_messages?${query}`, { 'x-client-info': 'page', 'accept-profile': 'public' })
  },
}
