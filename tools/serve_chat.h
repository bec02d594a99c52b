#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "kvs/api_client.h"
#include "tools/serve_options.h"

namespace kvs {

struct ChatOptions {
  ApiClientOptions server;  ///< to talk to; an empty URL: a model in this process
  std::string api_key;
  std::string system;       ///< system prompt
  std::string system_file;  ///< or a file that holds it
};

/// Adds `kvs-serve chat` and returns it; call chat where it was chosen.
CLI::App* add_chat_command(CLI::App& app, ServeOptions& serve, ChatOptions& chat);

/// Talks with the user of a terminal; `command` is what was parsed. Throws Error(argument) where
/// there is no terminal, or where the options do not go together.
int chat(const CLI::App& command, const ServeOptions& serve, const ChatOptions& options);

}  // namespace kvs
