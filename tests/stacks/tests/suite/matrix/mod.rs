//! Every third-party layer at every place among ours, mounted in every way. Accepted clients stay
//! accepted, and refused ones read why. A cell is `server::mounting::layer::place`.

#[macro_use]
mod stacks;

mod axum_mountings;
mod hyper_bodies;
mod together;
