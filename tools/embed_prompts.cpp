#include "tools/embed_prompts.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>

#include "kvs/embedder.h"
#include "kvs/engine.h"
#include "kvs/error.h"
#include "kvs/kv_archive.h"
#include "kvs/model.h"
#include "tools/archive_output.h"
#include "tools/input.h"
#include "tools/interrupt.h"
#include "tools/message.h"
#include "tools/model_path.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace kvs {
namespace {

using OnRequest = std::function<void(const Request&, std::vector<int32_t> tokens)>;

// Reads all requests; returns how many were skipped.
int64_t for_each_request(const EmbedOptions& options, const PromptEncoder& prompts,
                         const OnRequest& on_request) {
  int64_t skipped = 0;
  for (const std::string& file : files_or_stdin(options.files)) {
    Input input(file);
    RequestReader reader(input.stream(), input.name());
    for (bool more = true; more;) {
      check_interrupt();
      try {
        const std::optional<Request> request = reader.next();
        more = request.has_value();
        if (more) on_request(*request, prompts.encode(*request));
      } catch (const Error& e) {
        if (!options.keep_going || e.kind() == ErrorKind::io) throw;
        say(e.what());
        ++skipped;
      }
    }
  }
  return skipped;
}

PromptEncoder::Options prompt_options(const EmbedOptions& options) {
  return {options.chat_template, options.parse_special};
}

PromptRecord make_record(const EmbedOptions& options, const Request& request,
                         std::vector<int32_t> tokens, const StaticEmbedder& embedder) {
  using std::chrono::system_clock;
  PromptRecord record{
      .id = request.id,
      .tenant = request.tenant,
      .visibility = options.everyone ? Visibility::everyone : Visibility::only_tenant,
      .tokens = std::move(tokens),
      .embedder = embedder.name(),
      .time = system_clock::to_time_t(system_clock::now())};
  record.embedding = embedder.embed(record.tokens);
  const auto* text = std::get_if<std::string>(&request.prompt);
  if (text && !options.no_text) record.text = *text;
  return record;
}

// Computes prompts and puts their keys and values into archives.
class KvMaker {
 public:
  explicit KvMaker(const EmbedOptions& options)
      : kv_type_(kv_type_from_name(options.kv_type)), codec_(codec_of(options.codec)) {
    backend_ = make_backend(options.compute.backend);
    Progress progress("loading", "matrices", 0);
    model_ = std::make_unique<Model>(
        resolve_model(options.model), *backend_,
        ModelOptions{.compute = options.compute.compute,
                     .prompts = prompt_options(options),
                     .progress = [&](int64_t, int64_t) { progress.add(); }});
    const auto block =
        static_cast<int64_t>(model_->transformer().kv_layout(kv_type_).block_bytes());
    engine_ = std::make_unique<Engine>(
        model_->transformer(), nullptr,
        EngineOptions{.max_blocks = std::max<int64_t>(2, options.kv_memory_mb * (1 << 20) / block),
                      .kv_type = kv_type_});
  }

  const Model& model() const { return *model_; }
  ArchiveHeader header() const { return model_->archive_header(kv_type_, "kvs-embed"); }

  // Earlier prompts are donors of exact prefixes, so that shared text is computed once.
  void add(PromptRecord record, ArchiveWriter& writer) {
    Task task{.id = record.id,
              .tokens = record.tokens,
              .tenant = record.tenant,
              .max_tokens = 0,
              .reuse = {.mode = ReuseMode::exact}};
    task.on_prompt = [&](const KvView& view) {
      archive_prompt(writer, model_->fingerprint(), engine_->pool(), view, std::move(record),
                     codec_);
    };
    const Response response = engine_->run(std::move(task));
    if (response.finish_reason == "error") fail(ErrorKind::device, "{}", response.error);
  }

 private:
  static KvCodec codec_of(const std::string& name) {
    if (const auto codec = find_codec(name)) return *codec;
    fail(ErrorKind::argument, "unknown codec '{}', expected raw, shuffle, q8 or q4", name);
  }

  DType kv_type_;
  KvCodec codec_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
};

int finish(ArchiveWriter& writer, int64_t prompts, int64_t skipped) {
  writer.finish();
  explain("{} prompts, {} bytes", prompts, writer.bytes());
  return skipped > 0 ? kExitNegative : kExitOk;
}

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
  const int64_t skipped = for_each_request(options, prompts, write);
  flush_out();
  return skipped > 0 ? kExitNegative : kExitOk;
}

int embed_prompts(const EmbedOptions& options) {
  const std::string path = resolve_model(options.model);
  const auto files = open_model_files(path);
  const StaticEmbedder embedder(*files);
  std::optional<KvMaker> maker;
  if (options.kv) maker.emplace(options);
  std::optional<PromptEncoder> own;
  if (!maker) own.emplace(path, prompt_options(options));
  const PromptEncoder& prompts = maker ? maker->model().prompts() : *own;

  ArchiveHeader header = maker ? maker->header() : ArchiveHeader{};
  if (!maker) header.tokenizer = prompts.tokenizer_hash();
  ArchiveWriter writer =
      open_archive(options.output, header, {.threads = options.compute.backend.threads});
  Progress progress("embedding", "prompts", 0);
  int64_t done = 0;
  const auto add = [&](const Request& request, std::vector<int32_t> tokens) {
    PromptRecord record = make_record(options, request, std::move(tokens), embedder);
    if (maker)
      maker->add(std::move(record), writer);
    else
      writer.add(record);
    progress.add();
    ++done;
  };
  const int64_t skipped = for_each_request(options, prompts, add);
  return finish(writer, done, skipped);
}

}  // namespace kvs
