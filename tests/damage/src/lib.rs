//! Data directories of real servers, damaged in every way that fits into a minute, and what recovery makes of them.
//!
//! A real server, ours or Apache's, runs a [`workload`] and is stopped; its directory is copied into memory ([`fixture`]).
//! [`history`] knows the state after each of its transactions. For each case a [`sweep`] forks the copy, damages it,
//! recovers it as the server does ([`recovery`]) and compares the outcome with the one that the damage must have:
//!
//! | damage | outcome |
//! | --- | --- |
//! | the newest log cut, with or without zeros behind the cut | exactly the transactions wholly before the cut |
//! | a bit of an entry in a log that is read | refused, naming the log |
//! | a bit of checksum or body of the very last entry, if that holds a 512-byte sector of zeros | that entry is cut off: such a sector may never have been written, so this may be a torn write |
//! | a bit of a log's padding, of its unused header fields, of a log that is not read | everything |
//! | a bit of the newest snapshot, or its end cut off | everything, by way of the next older one and the log; refused where there is none |
//! | a bit of an epoch file | refused, or a higher accepted epoch, which only promises more |
//! | a file removed or emptied | everything that the others hold, or refused |
//!
//! What nothing on a disk can tell: that the newest log was there, if it is removed or emptied as a whole; and that an epoch's
//! last log was there, if it only opened and closed sessions or directly follows the snapshot that is used.
//!
//! [`power`] is the disk of a server for the other half: the power cut at every call of a workload.

pub mod fixture;
pub mod history;
pub mod log_bytes;
pub mod power;
pub mod recovery;
pub mod sweep;
pub mod workload;
