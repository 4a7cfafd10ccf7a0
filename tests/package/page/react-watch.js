// Runs before the page's own scripts: counts what a chat takes from the browser; `requests` are those under way.
{
  const seen = { sockets: 0, open: 0, most: 0, joins: 0, leaves: 0, frames: 0, requests: 0, compiles: 0, memories: [] }
  Object.assign(globalThis, { seen })

  const count = (change) => {
    seen.open += change
    seen.most = Math.max(seen.most, seen.open)
  }
  globalThis.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args)
      seen.sockets += 1
      count(1)
      this.addEventListener('close', () => count(-1))
    }
    send(data) {
      // A heartbeat is for the clock, not for what the page does.
      if (!String(data).includes('heartbeat')) seen.frames += 1
      if (typeof data === 'string' && data.includes('phx_join')) seen.joins += 1
      if (typeof data === 'string' && data.includes('phx_leave')) seen.leaves += 1
      super.send(data)
    }
  }

  const { compile, compileStreaming, instantiate } = WebAssembly
  const counted = (make) =>
    function (...args) {
      seen.compiles += 1
      return make.apply(WebAssembly, args)
    }
  WebAssembly.compile = counted(compile)
  WebAssembly.compileStreaming = counted(compileStreaming)
  WebAssembly.instantiate = async (...args) => {
    const made = await instantiate.apply(WebAssembly, args)
    for (const value of Object.values((made.instance ?? made).exports)) {
      if (value instanceof WebAssembly.Memory) seen.memories.push(value)
    }
    return made
  }

  const { fetch } = globalThis
  globalThis.fetch = (...args) => {
    seen.requests += 1
    const answer = fetch(...args)
    const done = () => void (seen.requests -= 1)
    answer.then(done, done)
    return answer
  }
}
