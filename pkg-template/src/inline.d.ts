/** core_bg.wasm, deflated (raw) and in base64. */
declare const wasm: string
export default wasm
