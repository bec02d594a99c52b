// kvs-index: makes the folder in which kvs-align and kvs-serve find donors.
#include <unistd.h>

#include <string>
#include <vector>

#include "kvs/donor_index.h"
#include "kvs/donor_index_writer.h"
#include "kvs/error.h"
#include "kvs/json.h"
#include "tools/donor_lookup.h"
#include "tools/input.h"
#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/terminal.h"
#include "tools/tool.h"

namespace {

using kvs::Json;

struct BuildOptions {
  std::vector<std::string> archives;
  std::string folder;
  bool copy = false;
  bool keep_going = false;
};

void add_build_options(CLI::App& app, BuildOptions& options) {
  app.add_option("ARCHIVE", options.archives, "KV archives; - or none: one from stdin, copied")
      ->type_name("");
  app.add_option("-o,--output", options.folder, "The index's folder (required)")->type_name("DIR");
  app.add_flag("--copy", options.copy, "Copy the archives into the folder");
  app.add_flag("--keep-going", options.keep_going, "Skip archives that cannot be read");
}

int64_t add_archive(kvs::DonorIndexWriter& writer, const std::string& archive, bool copy) {
  if (archive == "-") {
    kvs::Input input(archive);
    return writer.add_copy(input.stream());
  }
  return copy ? writer.add_copy(archive) : writer.add_archive(archive);
}

int build(const BuildOptions& options, bool keep) {
  if (options.folder.empty()) kvs::fail(kvs::ErrorKind::argument, "no folder: give -o DIR");
  kvs::Progress progress("indexing", "records", 0);
  const auto on_record = [&] {
    progress.add();
    kvs::check_interrupt();
  };
  kvs::DonorIndexWriter writer(options.folder, {.keep = keep, .on_record = on_record});
  int64_t prompts = 0, skipped = 0;
  for (const std::string& archive : kvs::files_or_stdin(options.archives)) {
    kvs::check_interrupt();
    try {
      prompts += add_archive(writer, archive, options.copy);
    } catch (const kvs::Error& error) {
      if (!options.keep_going) throw;
      progress.clear();
      kvs::say(error.what());
      ++skipped;
    }
  }
  writer.commit();
  progress.clear();
  kvs::explain("{}: {} prompts added", options.folder, prompts);
  return skipped > 0 ? kvs::kExitNegative : kvs::kExitOk;
}

Json candidate_line(const kvs::DonorCandidate& found) {
  return Json::Object{{"id", found.donor.id},
                      {"tenant", found.donor.tenant},
                      {"visibility", kvs::visibility_name(found.donor.visibility)},
                      {"tokens", found.donor.tokens},
                      {"matched", found.matched},
                      {"similarity", found.similarity},
                      {"found_by", kvs::found_by_name(found.found_by)},
                      {"archive", found.donor.archive.string()},
                      {"prompt", found.donor.prompt}};
}

int search(const kvs::LookupOptions& options) {
  const kvs::DonorLookup lookup(options);
  bool any = false;
  const int64_t skipped = lookup.for_each_prompt([&](const kvs::Request& request,
                                                     const auto& tokens, const auto& donors) {
    Json line = Json::Object{{"id", request.id}, {"tokens", static_cast<int64_t>(tokens.size())}};
    Json::Array candidates;
    for (const kvs::DonorCandidate& found : donors) candidates.push_back(candidate_line(found));
    line.set("donors", std::move(candidates));
    kvs::write_line(line.dump());
    any = any || !donors.empty();
  });
  return any && skipped == 0 ? kvs::kExitOk : kvs::kExitNegative;
}

int show(const std::string& folder) {
  if (folder.empty()) kvs::fail(kvs::ErrorKind::argument, "no index: name its folder");
  const kvs::DonorIndexInfo info = kvs::DonorIndex(folder).info();
  bool complete = true;
  Json::Array archives;
  for (const kvs::IndexedArchive& archive : info.archives) {
    archives.push_back(Json::Object{{"path", archive.path},
                                    {"prompts", archive.prompts},
                                    {"bytes", archive.bytes},
                                    {"present", archive.present}});
    complete = complete && archive.present;
  }
  const Json line = Json::Object{{"generation", info.generation},   {"model", info.model},
                                 {"fingerprint", info.fingerprint}, {"tokenizer", info.tokenizer},
                                 {"embedder", info.embedder},       {"dims", info.dims},
                                 {"factory", info.factory},         {"donors", info.donors},
                                 {"embeddings", info.embeddings},   {"tokens", info.tokens},
                                 {"tenants", info.tenants},         {"bytes", info.bytes},
                                 {"archives", std::move(archives)}};
  kvs::write_line(line.dump(kvs::is_terminal(STDOUT_FILENO) ? 2 : -1));
  return complete ? kvs::kExitOk : kvs::kExitNegative;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Keep donors where they are found again.", "kvs-index"};
  BuildOptions build_options, add_options;
  CLI::App* building = app.add_subcommand("build", "Make an index of archives");
  add_build_options(*building, build_options);
  CLI::App* adding = app.add_subcommand("add", "Add archives to an index");
  add_build_options(*adding, add_options);
  kvs::LookupOptions lookup;
  CLI::App* searching = app.add_subcommand("search", "Find donors for prompts");
  kvs::add_lookup_options(*searching, lookup);
  std::string folder;
  CLI::App* info = app.add_subcommand("info", "Say what an index holds");
  info->add_option("DIR", folder, "The index's folder (required)")->type_name("");
  return kvs::run_tool(app, argc, argv, [&] {
    if (*building) return build(build_options, false);
    if (*adding) return build(add_options, true);
    if (*searching) return search(lookup);
    if (*info) return show(folder);
    kvs::fail(kvs::ErrorKind::argument, "no subcommand: build, add, search or info (see --help)");
  });
}
