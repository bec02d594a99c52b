// kvs-embed: turns prompts into tokens, embeddings and KV archives.
#include "kvs/error.h"
#include "tools/embed_archive.h"
#include "tools/embed_copy.h"
#include "tools/embed_prompts.h"
#include "tools/tool.h"

int main(int argc, char** argv) {
  CLI::App app{"Turn prompts into tokens, embeddings and KV archives.", "kvs-embed"};
  kvs::EmbedOptions options;
  kvs::ArchiveCommand archive;
  kvs::add_embed_options(app, options);
  kvs::add_archive_commands(app, archive);
  kvs::CopyCommand copy;
  kvs::add_copy_commands(app, copy);
  return kvs::run_tool(app, argc, argv, [&] {
    if (archive.asked()) return kvs::run_archive_command(archive);
    if (copy.asked()) return kvs::run_copy_command(copy);
    if (options.model.empty())
      kvs::fail(kvs::ErrorKind::argument, "no model: give -m MODEL, or a subcommand (see --help)");
    return options.tokenize ? kvs::tokenize_prompts(options) : kvs::embed_prompts(options);
  });
}
