// kvs-serve: answers prompts, reusing the KV of similar earlier ones.
#include "kvs/error.h"
#include "tools/serve_chat.h"
#include "tools/serve_run.h"
#include "tools/tool.h"

int main(int argc, char** argv) {
  CLI::App app{"Answer prompts, reusing the KV of similar earlier ones.", "kvs-serve"};
  kvs::ServeOptions serve, chat_serve;
  chat_serve.max_tokens = 1024;
  kvs::RunOptions run;
  kvs::ChatOptions chat;
  const CLI::App* chat_command = kvs::add_chat_command(app, chat_serve, chat);
  const CLI::App* run_command = kvs::add_run_command(app, serve, run);
  return kvs::run_tool(app, argc, argv, [&] {
    if (*chat_command) return kvs::chat(chat_serve, chat);
    if (*run_command) return kvs::run_requests(serve, run);
    kvs::fail(kvs::ErrorKind::argument, "no subcommand: run or chat (see --help)");
  });
}
