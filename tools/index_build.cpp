#include "tools/index_build.h"

#include <functional>

#include "kvs/donor_index_writer.h"
#include "kvs/error.h"
#include "tools/input.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace kvs {
namespace {

void add_common_options(CLI::App& app, IndexBuildOptions& options) {
  app.add_option("-o,--output", options.folder, "The index's folder (required)")->type_name("DIR");
  app.add_option("--factory", options.factory,
                 "How embeddings are searched: auto, Flat, HNSW32, IVF1024,PQ96 ...")
      ->type_name("NAME");
  app.add_option("--threads", options.threads, "Threads that build HNSW and IVF")
      ->check(CLI::Range(1, 1024))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--keep-going", options.keep_going, "Skip what cannot be read");
}

int64_t add_archive(DonorIndexWriter& writer, const std::string& archive, bool copy) {
  if (archive == "-") {
    Input input(archive);
    return writer.add_copy(input.stream());
  }
  return copy ? writer.add_copy(archive) : writer.add_archive(archive);
}

using AddInput = std::function<int64_t(DonorIndexWriter& writer, const std::string& input)>;

// Adds each input and commits; one that fails ends it or, with --keep-going, is said and skipped.
int add_all(const IndexBuildOptions& options, const std::vector<std::string>& inputs,
            IndexMode mode, const AddInput& add) {
  if (options.folder.empty()) fail(ErrorKind::argument, "no folder: give -o DIR");
  Progress progress("indexing", "records", 0);
  const auto on_record = [&] {
    progress.add();
    check_interrupt();
  };
  DonorIndexWriter writer(options.folder, {.mode = mode,
                                           .factory = options.factory,
                                           .threads = options.threads,
                                           .on_record = on_record,
                                           .on_step = check_interrupt});
  int64_t prompts = 0, skipped = 0;
  for (const std::string& input : inputs) {
    check_interrupt();
    try {
      prompts += add(writer, input);
    } catch (const Error& error) {
      if (!options.keep_going) throw;
      progress.clear();
      say(error.what());
      ++skipped;
    }
  }
  writer.commit();
  progress.clear();
  explain("{}: {} prompts added", options.folder, prompts);
  return skipped > 0 ? kExitNegative : kExitOk;
}

}  // namespace

void add_build_options(CLI::App& app, IndexBuildOptions& options) {
  app.add_option("ARCHIVE", options.inputs, "KV archives; - or none: one from stdin, copied")
      ->type_name("");
  add_common_options(app, options);
  app.add_flag("--copy", options.copy, "Copy the archives into the folder");
}

void add_merge_options(CLI::App& app, IndexBuildOptions& options) {
  app.add_option("INDEX", options.inputs, "Folders of indexes (required)")->type_name("");
  add_common_options(app, options);
}

int build_index(const IndexBuildOptions& options, bool keep) {
  return add_all(options, files_or_stdin(options.inputs),
                 keep ? IndexMode::extend : IndexMode::replace,
                 [&](DonorIndexWriter& writer, const std::string& archive) {
                   return add_archive(writer, archive, options.copy);
                 });
}

int merge_indexes(const IndexBuildOptions& options) {
  if (options.inputs.empty())
    fail(ErrorKind::argument, "nothing to merge: name the folders of indexes");
  return add_all(
      options, options.inputs, IndexMode::extend,
      [](DonorIndexWriter& writer, const std::string& index) { return writer.merge(index); });
}

}  // namespace kvs
