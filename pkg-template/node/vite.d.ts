/** The options of the Vite plugin. */
export interface ChoppedChatPluginOptions {
  /**
   * Whether the built pages fetch the WebAssembly and connect to Supabase with the page and not at the first chat: for an app
   * that opens one at once. `false` unless said.
   */
  preload?: boolean
}

/**
 * A plugin for Vite 5 and newer: `import.meta.env.NEXT_PUBLIC_SUPABASE_URL` and `import.meta.env.NEXT_PUBLIC_SUPABASE_ANON_KEY`
 * are what the environment or Vite's `.env` files say, and no other variable is shown. What the project itself sets in
 * `define` stays. A variable that is not set is warned of.
 *
 * @throws {Error} (stops Vite) when a variable that pages see holds the service role key or an `sb_secret_…` key
 */
export function choppedChat(options?: ChoppedChatPluginOptions): { name: 'chopped-chat' }
