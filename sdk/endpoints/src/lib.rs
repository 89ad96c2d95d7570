#![allow(warnings)]

pub mod endpoint_lib;
