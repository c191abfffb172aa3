//! The decision, and the layer around a service.

#![cfg(test)]

mod allocations;
mod service;
