//! The database under attack: real roles, real SQL.
