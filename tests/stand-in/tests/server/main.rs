//! The server against what genuine ones answer: one stand-in for all tests, with short penalties.

mod auth;
mod faults;
mod frames;
mod rest;
mod support;
