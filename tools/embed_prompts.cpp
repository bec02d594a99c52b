#include "tools/embed_prompts.h"

#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>

#include "kvs/error.h"
#include "tools/embedder_choice.h"
#include "tools/interrupt.h"
#include "tools/keep_going.h"
#include "tools/kv_maker.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/prompt_archive.h"
#include "tools/prompt_source.h"
#include "tools/terminal.h"
#include "tools/tool.h"

namespace kvs {
namespace {

// Prompts that are embedded together: enough for full passes, few enough to be written soon.
constexpr size_t kBatchPrompts = 64;
constexpr size_t kBatchTokens = 1 << 16;

PromptEncoder::Options prompt_options(const EmbedOptions& options) {
  return {options.chat_template, options.parse_special};
}

PromptSource source_of(const EmbedOptions& options) {
  return {options.files, parse_shard(options.shard), options.keep_going};
}

PromptRecord make_record(const EmbedOptions& options, const Request& request,
                         std::vector<int32_t> tokens) {
  using std::chrono::system_clock;
  PromptRecord record{
      .id = request.id,
      .tenant = request.tenant,
      .visibility = options.everyone ? Visibility::everyone : Visibility::only_tenant,
      .tokens = std::move(tokens),
      .time = system_clock::to_time_t(system_clock::now())};
  const auto* text = std::get_if<std::string>(&request.prompt);
  if (text && !options.no_text) record.text = *text;
  return record;
}

// Embeds prompts in batches, computes their keys and values, and writes them.
class Job {
 public:
  explicit Job(const EmbedOptions& options)
      : options_(options),
        source_(source_of(options)),
        path_(resolve_model(options.model)),
        progress_("embedding", "prompts", 0) {
    if (options.kv)
      maker_.emplace(KvMakerOptions{.model = options.model,
                                    .kv_type = options.kv_type,
                                    .codec = options.codec,
                                    .memory_mb = options.kv_memory_mb,
                                    .prompts = prompt_options(options),
                                    .compute = options.compute});
    else
      own_.emplace(path_, prompt_options(options));
    embedder_ =
        std::make_unique<ChosenEmbedder>(EmbedderChoice{.name = options.embedder,
                                                        .model = path_,
                                                        .tokenizer = prompts().tokenizer(),
                                                        .backend = options.compute.backend});
    ArchiveHeader header = maker_ ? maker_->header() : ArchiveHeader{};
    header.tokenizer = prompts().tokenizer_hash();
    archive_.emplace(PromptArchiveOptions{.path = options.output,
                                          .embedder = (*embedder_)->name(),
                                          .resume = options.resume,
                                          .threads = options.compute.backend.threads},
                     header);
    if (maker_) archiver_ = maker_->archiver(archive_->writer());
  }

  // Prompts that are finished when Ctrl-C comes stay.
  int run() {
    if (is_terminal(STDERR_FILENO)) progress_.expect(source_.count() - archive_->finished());
    int64_t skipped = 0;
    try {
      skipped = source_.for_each(prompts(), [&](const Request& request, auto tokens) {
        add(make_record(options_, request, std::move(tokens)));
      });
      write_batch();
      settle();
    } catch (const Interrupted&) {
      settle();
      if (done_ > 0) finish();
      throw;
    }
    if (done_ > 0 || archive_->finished() == 0) finish();
    return skipped + failed_ > 0 ? kExitNegative : kExitOk;
  }

 private:
  const PromptEncoder& prompts() const { return maker_ ? maker_->model().prompts() : *own_; }

  void add(PromptRecord record) {
    if (archive_->has(record)) return;
    batch_tokens_ += record.tokens.size();
    batch_.push_back(std::move(record));
    const size_t most = maker_ ? 1 : kBatchPrompts;  // computing takes longer than embedding
    if (batch_.size() >= most || batch_tokens_ >= kBatchTokens) write_batch();
  }

  void write_batch() {
    std::vector<std::vector<float>> embeddings = embed_batch();
    for (size_t i = 0; i < batch_.size(); ++i) {
      check_interrupt();
      PromptRecord& record = batch_[i];
      try {
        record.embedder = (*embedder_)->name();
        record.embedding =
            embeddings.empty() ? (*embedder_)->embed(record.tokens) : std::move(embeddings[i]);
        write(std::move(record));
      } catch (const Error& e) {
        if (!options_.keep_going || !concerns_one_input(e)) throw;
        progress_.clear();
        say(e.what());
        ++failed_;
      }
    }
    batch_.clear();
    batch_tokens_ = 0;
  }

  // Nothing where one of them cannot be embedded, so that the others are tried without it.
  std::vector<std::vector<float>> embed_batch() const {
    std::vector<std::span<const int32_t>> prompts;
    for (const PromptRecord& record : batch_) prompts.emplace_back(record.tokens);
    try {
      return (*embedder_)->embed_all(prompts);
    } catch (const Error& e) {
      if (!options_.keep_going || !concerns_one_input(e)) throw;
      return {};
    }
  }

  void write(PromptRecord record) {
    if (maker_)
      maker_->add(std::move(record), *archiver_);
    else
      archive_->writer().add(record);
    progress_.add();
    ++done_;
    if (archiver_) note(archiver_->take_errors());
  }

  // Waits for what is being written.
  void settle() {
    if (archiver_) note(archiver_->finish());
  }

  void note(const std::vector<Error>& errors) {
    for (const Error& error : errors) {
      if (!options_.keep_going || !concerns_one_input(error)) throw Error(error);
      progress_.clear();
      say(error.what());
      ++failed_;
      --done_;
    }
  }

  void finish() {
    archive_->commit();
    progress_.clear();
    explain("{} prompts, {} bytes", done_, archive_->writer().bytes());
  }

  const EmbedOptions& options_;
  PromptSource source_;
  std::string path_;
  std::optional<KvMaker> maker_;
  std::optional<PromptEncoder> own_;  // without a KvMaker
  std::unique_ptr<ChosenEmbedder> embedder_;
  std::optional<PromptArchive> archive_;
  std::unique_ptr<KvArchiver> archiver_;  // with a KvMaker
  Progress progress_;
  std::vector<PromptRecord> batch_;
  size_t batch_tokens_ = 0;
  int64_t done_ = 0, failed_ = 0;
};

}  // namespace

void add_embed_options(CLI::App& app, EmbedOptions& options) {
  add_model_option(app, options.model);
  add_compute_options(app, options.compute);
  app.add_option("FILE", options.files, "Lines of text or JSON; - or none: standard input")
      ->type_name("");
  app.add_option("-o,--output", options.output, "Archive to write; -: standard output")
      ->type_name("ARCHIVE");
  app.add_flag("--tokenize", options.tokenize, "Write {\"id\",\"tokens\"} lines instead");
  app.add_flag("--kv", options.kv, "Also compute and store keys and values");
  app.add_option("--kv-type", options.kv_type, "Of keys and values: f16, bf16, f32 or q8")
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--kv-memory", options.kv_memory_mb, "For keys and values at most")
      ->type_name("MIB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--codec", options.codec, "Of keys and values: raw, shuffle, q8 or q4")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_flag("--no-text", options.no_text, "Do not store the prompts' text");
  app.add_flag("--public", options.everyone, "All tenants may reuse these prompts");
  add_embedder_option(app, options.embedder);
  app.add_option("--shard", options.shard, "Only every N-th prompt, beginning with the I-th")
      ->type_name("I/N")
      ->capture_default_str();
  app.add_flag("--resume", options.resume, "Keep what ARCHIVE has and add the other prompts");
  app.add_flag("--keep-going", options.keep_going, "Skip prompts that cannot be read");
  app.add_option("--chat-template", options.chat_template, "In place of the model's own")
      ->type_name("NAME");
  app.add_flag("--parse-special", options.parse_special,
               "Recognise special tokens in users' text too");
}

int tokenize_prompts(const EmbedOptions& options) {
  const PromptEncoder prompts(resolve_model(options.model), prompt_options(options));
  const auto write = [](const Request& request, const std::vector<int32_t>& tokens) {
    Json line;
    line.set("id", request.id);
    Json ids{Json::Array{}};
    for (const int32_t token : tokens) ids.push(token);
    line.set("tokens", std::move(ids));
    write_out(line.dump() + "\n");
  };
  const int64_t skipped = source_of(options).for_each(prompts, write);
  flush_out();
  return skipped > 0 ? kExitNegative : kExitOk;
}

int embed_prompts(const EmbedOptions& options) {
  return Job(options).run();
}

}  // namespace kvs
