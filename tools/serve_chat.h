#pragma once

#include "tools/serve_options.h"

namespace kvs {

struct ChatOptions {
  std::string system;       ///< system prompt
  std::string system_file;  ///< or a file that holds it
};

/// Adds `kvs-serve chat` and returns it; call chat where it was chosen.
CLI::App* add_chat_command(CLI::App& app, ServeOptions& serve, ChatOptions& chat);

/// Talks with the user of a terminal. Throws Error(argument) where there is none.
int chat(const ServeOptions& serve, const ChatOptions& options);

}  // namespace kvs
