//! Every layer of others at every place among ours, mounted in every way: who is accepted stays
//! accepted, who is refused reads why. A cell is `server::mounting::layer::place`.

#[macro_use]
mod stacks;

mod axum_mountings;
mod hyper_bodies;
mod together;
