pub(crate) use ::sdk_endpoints::endpoint_lib::*;
