#include "tools/embed_copy.h"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "kvs/archive_copier.h"
#include "kvs/error.h"
#include "tools/archive_output.h"
#include "tools/input.h"
#include "tools/tool.h"

namespace kvs {
namespace {

using OnHeader = std::function<void(const ArchiveHeader&, const std::string& file)>;
using OnPrompt = std::function<void(const ArchiveItem&, ArchiveCopier&)>;

void read_archive(const std::string& path, const OnHeader& on_header, const OnPrompt& on_prompt) {
  Input input(path);
  ArchiveReader reader(input.stream(), input.name(), {.decode_kv = false});
  ArchiveCopier copier;
  while (const auto item = reader.next()) {
    check_interrupt();
    copier.take(*item);
    if (const auto* header = std::get_if<ArchiveHeader>(&item->record))
      on_header(*header, input.name());
    else if (std::holds_alternative<PromptRecord>(item->record))
      on_prompt(*item, copier);
  }
}

// Whether all archives were whole. With --keep-going what stands before the damage is copied.
bool read_archives(const CopyCommand& command, const OnHeader& on_header,
                   const OnPrompt& on_prompt) {
  bool whole = true;
  for (const std::string& file : files_or_stdin(command.files)) {
    try {
      read_archive(file, on_header, on_prompt);
    } catch (const Error& error) {
      if (!command.keep_going || error.kind() != ErrorKind::format) throw;
      say(error.what());
      whole = false;
    }
  }
  return whole;
}

bool cat(const CopyCommand& command) {
  std::optional<ArchiveWriter> writer;
  std::optional<ArchiveHeader> next;  // of a member that was not begun yet
  std::set<std::string> missing(command.ids.begin(), command.ids.end());
  const std::set<std::string> wanted = missing;
  const auto begin_member = [&] {
    if (!next) return;
    if (writer)
      writer->next_member(*next);
    else
      writer.emplace(open_archive(command.output, *next));
    next.reset();
  };

  const bool whole = read_archives(
      command,
      [&](const ArchiveHeader& header, const std::string&) {
        next = header;
        if (wanted.empty()) begin_member();
      },
      [&](const ArchiveItem& item, ArchiveCopier& copier) {
        const std::string& id = std::get<PromptRecord>(item.record).id;
        if (!wanted.empty() && !wanted.contains(id)) return;
        missing.erase(id);
        begin_member();
        copier.copy(item, *writer);
      });
  for (const std::string& id : missing) say(fmt::format("no prompt has the id '{}'", id));
  if (writer) writer->finish();
  return whole && missing.empty();
}

bool merge(const CopyCommand& command) {
  std::optional<ArchiveWriter> writer;
  std::optional<ArchiveHeader> first;
  std::map<std::pair<std::string, std::string>, std::vector<int32_t>> known;  // by tenant and id
  const auto is_new = [&](const PromptRecord& prompt) {
    const auto [place, added] = known.emplace(std::pair(prompt.tenant, prompt.id), prompt.tokens);
    if (!added && place->second != prompt.tokens)
      fail(
          ErrorKind::argument,
          "prompt '{}' of tenant '{}' occurs twice with different tokens: kvs-embed cat keeps both",
          prompt.id, prompt.tenant);
    return added;
  };

  const bool whole = read_archives(
      command,
      [&](const ArchiveHeader& header, const std::string& file) {
        if (writer) return require_same_model(header, *first, file);
        first = header;
        writer.emplace(open_archive(command.output, header));
      },
      [&](const ArchiveItem& item, ArchiveCopier& copier) {
        if (is_new(std::get<PromptRecord>(item.record))) copier.copy(item, *writer);
      });
  if (writer) writer->finish();
  return whole;
}

// Writes PREFIX000.kva, PREFIX001.kva and so on.
class Parts {
 public:
  explicit Parts(const CopyCommand& command) : command_(command) {}

  void start_member(const ArchiveHeader& header) {
    finish();
    header_ = header;
  }

  void add(const ArchiveItem& item, ArchiveCopier& copier) {
    if (writer_ && is_full()) finish();
    if (!writer_) {
      writer_.emplace(open_archive(fmt::format("{}{:03}.kva", command_.prefix, part_++), header_));
      prompts_ = 0;
    }
    copier.copy(item, *writer_);
    ++prompts_;
  }

  void finish() {
    if (writer_) writer_->finish();
    writer_.reset();
  }

 private:
  bool is_full() const {
    return (command_.prompts > 0 && prompts_ >= command_.prompts) ||
           (command_.size_mb > 0 && writer_->bytes() >= command_.size_mb << 20);
  }

  const CopyCommand& command_;
  ArchiveHeader header_;
  std::optional<ArchiveWriter> writer_;
  int64_t prompts_ = 0;  // of this part
  int part_ = 0;
};

bool split(const CopyCommand& command) {
  if (command.prompts == 0 && command.size_mb == 0)
    fail(ErrorKind::argument, "split: say how: --prompts N or --size MIB");
  Parts parts(command);
  const bool whole = read_archives(
      command, [&](const ArchiveHeader& header, const std::string&) { parts.start_member(header); },
      [&](const ArchiveItem& item, ArchiveCopier& copier) { parts.add(item, copier); });
  parts.finish();
  return whole;
}

}  // namespace

void add_copy_commands(CLI::App& app, CopyCommand& command) {
  command.cat = app.add_subcommand("cat", "Copy archives, or some of their prompts");
  command.merge = app.add_subcommand("merge", "Join archives into one member");
  command.split = app.add_subcommand("split", "Divide archives into parts");
  for (CLI::App* subcommand : {command.cat, command.merge, command.split}) {
    subcommand->add_option("FILE", command.files, "Archives; -, or none: standard input")
        ->type_name("");
    subcommand->add_flag("--keep-going", command.keep_going,
                         "Copy what stands before the damage of an archive");
  }
  for (CLI::App* subcommand : {command.cat, command.merge})
    subcommand->add_option("-o,--output", command.output, "Archive to write; -: standard output")
        ->type_name("ARCHIVE");
  command.cat->add_option("--id", command.ids, "Only prompts of this id; may be repeated")
      ->type_name("ID")
      ->allow_extra_args(false);
  command.split->add_option("-o,--output", command.prefix, "Parts are PREFIX000.kva and so on")
      ->type_name("PREFIX")
      ->required();
  command.split->add_option("--prompts", command.prompts, "Of a part at most")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30));
  command.split->add_option("--size", command.size_mb, "Begin another part after so many MiB")
      ->type_name("MIB")
      ->check(CLI::Range(1, 1 << 30));
}

int run_copy_command(const CopyCommand& command) {
  const bool whole = *command.cat ? cat(command) : *command.merge ? merge(command) : split(command);
  return whole ? kExitOk : kExitNegative;
}

}  // namespace kvs
