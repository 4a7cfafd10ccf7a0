// Starting the engine, once a page.
import start from './core.js'
import { load } from './load.js'
import { ChatError } from './values.js'

/** @type {Promise<void> | undefined} */
let starting
export let started = false

/** @param {import('./index.js').WasmSource} [source] */
export default function init(source) {
  starting ??= load(source)
    .then((module) => start({ module_or_path: module }))
    .then(
      () => {
        started = true
      },
      (error) => {
        // Forgotten, so that the next call tries again.
        starting = undefined
        throw new ChatError('init-failed', 'The WebAssembly module could not be loaded.', String(error))
      },
    )
  return starting
}

export function needInit() {
  if (!started) {
    throw new ChatError('not-initialized', 'chopped-chat is not loaded yet: await its default export, init(), first.')
  }
}
