// kvs-index: makes the folder in which kvs-align and kvs-serve find donors.
#include <unistd.h>

#include <string>
#include <vector>

#include "kvs/donor_index.h"
#include "kvs/error.h"
#include "kvs/json.h"
#include "tools/donor_lookup.h"
#include "tools/index_build.h"
#include "tools/index_change.h"
#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/tool.h"

namespace {

using kvs::Json;

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
  const int64_t skipped =
      lookup.for_each_prompt([&](const std::string& id, const auto& tokens, const auto& donors) {
        Json line = Json::Object{{"id", id}, {"tokens", static_cast<int64_t>(tokens.size())}};
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
  Json::Array structures;
  for (const std::string& structure : info.structures) structures.push_back(structure);
  const Json line =
      Json::Object{{"generation", info.generation},   {"model", info.model},
                   {"fingerprint", info.fingerprint}, {"tokenizer", info.tokenizer},
                   {"embedder", info.embedder},       {"dims", info.dims},
                   {"factory", info.factory},         {"structures", std::move(structures)},
                   {"donors", info.donors},           {"pinned", info.pinned},
                   {"embeddings", info.embeddings},   {"tokens", info.tokens},
                   {"tenants", info.tenants},         {"bytes", info.bytes},
                   {"archives", std::move(archives)}};
  kvs::write_line(line.dump(kvs::is_terminal(STDOUT_FILENO) ? 2 : -1));
  return complete ? kvs::kExitOk : kvs::kExitNegative;
}

void add_info_options(CLI::App& app, std::string& folder) {
  app.add_option("DIR", folder, "The index's folder (required)")->type_name("");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Keep donors where they are found again.", "kvs-index"};
  kvs::IndexBuildOptions build_options, add_options, merge_options;
  kvs::IndexChangeOptions remove_options, pin_options, unpin_options, expire_options;
  kvs::LookupOptions lookup;
  std::string folder;
  const auto subcommand = [&](const char* name, const char* what, auto add, auto& options) {
    CLI::App* added = app.add_subcommand(name, what);
    add(*added, options);
    return added;
  };
  using namespace kvs;
  CLI::App* building = subcommand("build", "Make an index", add_build_options, build_options);
  CLI::App* adding = subcommand("add", "Add archives", add_build_options, add_options);
  CLI::App* merging = subcommand("merge", "Add other indexes", add_merge_options, merge_options);
  CLI::App* removing = subcommand("remove", "Remove donors", add_change_options, remove_options);
  CLI::App* pinning = subcommand("pin", "Keep donors for good", add_change_options, pin_options);
  CLI::App* unpinning = subcommand("unpin", "Let donors expire", add_change_options, unpin_options);
  CLI::App* expiring =
      subcommand("expire", "Remove old donors", add_expire_options, expire_options);
  CLI::App* searching = subcommand("search", "Find donors for prompts", add_lookup_options, lookup);
  CLI::App* info = subcommand("info", "Say what an index holds", add_info_options, folder);
  return run_tool(app, argc, argv, [&] {
    if (*building) return build_index(build_options, false);
    if (*adding) return build_index(add_options, true);
    if (*merging) return merge_indexes(merge_options);
    if (*removing) return remove_donors(remove_options);
    if (*pinning) return pin_donors(pin_options, true);
    if (*unpinning) return pin_donors(unpin_options, false);
    if (*expiring) return expire_donors(expire_options);
    if (*searching) return search(lookup);
    if (*info) return show(folder);
    fail(ErrorKind::argument, "no subcommand: build, add, search, info ... (see --help)");
  });
}
