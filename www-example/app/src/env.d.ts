interface ImportMetaEnv {
  readonly NEXT_PUBLIC_SUPABASE_URL?: string
  readonly NEXT_PUBLIC_SUPABASE_ANON_KEY?: string
  readonly NEXT_PUBLIC_BACKEND_URL?: string
  readonly NEXT_PUBLIC_DEMO_PASSWORD?: string
}
