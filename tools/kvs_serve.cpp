// kvs-serve: answers prompts, reusing the KV of similar earlier ones.
#include "kvs/error.h"
#include "tools/serve_chat.h"
#include "tools/serve_http.h"
#include "tools/serve_run.h"
#include "tools/tool.h"

int main(int argc, char** argv) {
  CLI::App app{"Answer prompts, reusing the KV of similar earlier ones.", "kvs-serve"};
  kvs::ServeOptions serve, chat_serve, http_serve;
  chat_serve.max_tokens = http_serve.max_tokens = 1024;
  http_serve.sampling.temperature = 1;  // as clients of the OpenAI API expect
  http_serve.parallel = 16;
  kvs::RunOptions run;
  kvs::ChatOptions chat;
  kvs::HttpOptions http{.model = ""};
  const CLI::App* chat_command = kvs::add_chat_command(app, chat_serve, chat);
  const CLI::App* run_command = kvs::add_run_command(app, serve, run);
  const CLI::App* http_command = kvs::add_http_command(app, http_serve, http);
  return kvs::run_tool(app, argc, argv, [&] {
    if (*chat_command) return kvs::chat(*chat_command, chat_serve, chat);
    if (*run_command) return kvs::run_requests(serve, run);
    if (*http_command) return kvs::serve_http(http_serve, http);
    kvs::fail(kvs::ErrorKind::argument, "no subcommand: run, chat or http (see --help)");
  });
}
