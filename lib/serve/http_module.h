#pragma once

#include <string>

#include "kvs/api_client.h"
#include "kvs/http_server.h"

// What libkvs_http.so exports. It is loaded on first use and never linked: TLS and compression,
// which cpp-httplib brings along, would add milliseconds to the start of every tool. kvs::Error
// crosses the border.
extern "C" {
/// A server that listens; the caller owns it. Throws what kvs::open_http_server does.
KVS_API kvs::HttpServer* kvs_open_http_server(const kvs::HttpOptions* options);

/// A client; the caller owns it. Throws what kvs::open_api_client does.
KVS_API kvs::ApiClient* kvs_open_api_client(const kvs::ApiClientOptions* options);
}

namespace kvs {

/// A function of the module by its name. Throws Error(io) where there is no such module.
void* http_function(const char* name);

}  // namespace kvs
