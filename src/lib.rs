//! Realtime 1:1 chat on Supabase.
