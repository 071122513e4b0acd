//! Hosts of a world talk, keep time and fail as machines do.
