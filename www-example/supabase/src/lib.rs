//! The local stand-in for Supabase; see README.md.

pub mod postgres;
