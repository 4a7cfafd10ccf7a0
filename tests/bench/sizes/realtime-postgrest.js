export { PostgrestClient } from '@supabase/postgrest-js'
export { RealtimeClient } from '@supabase/realtime-js'
