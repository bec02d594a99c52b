#pragma once

#include "kvs/http_server.h"
#include "tools/serve_options.h"

namespace kvs {

/// Adds `kvs-serve http` and returns it; call serve_http where it was chosen.
CLI::App* add_http_command(CLI::App& app, ServeOptions& serve, HttpOptions& http);

/// Serves until SIGINT or SIGTERM, then finishes what was begun. SIGHUP reads the keys again.
/// Returns the exit code.
int serve_http(const ServeOptions& serve, HttpOptions options);

}  // namespace kvs
