#include "tools/serve_run.h"

#include <map>

#include "kvs/error.h"
#include "kvs/request.h"
#include "tools/input.h"
#include "tools/interrupt.h"
#include "tools/message.h"
#include "tools/output.h"
#include "tools/tool.h"

namespace kvs {
namespace {

// Writes responses in the order of their requests, whatever the order they come in.
class InOrder {
 public:
  int64_t reserve() { return reserved_++; }

  void put(int64_t place, const Response& response) {
    if (response.finish_reason == "error") say(response.error);
    failed_ += response.finish_reason == "error";
    waiting_[place] = response_to_json(response).dump();
    for (auto first = waiting_.begin(); first != waiting_.end() && first->first == written_;
         first = waiting_.erase(first), ++written_)
      write_line(first->second);
  }

  int64_t failed() const { return failed_; }

 private:
  int64_t reserved_ = 0, written_ = 0, failed_ = 0;
  std::map<int64_t, std::string> waiting_;
};

class Runner {
 public:
  Runner(Server& server, const ServeOptions& options, bool keep_going)
      : server_(server),
        options_(options),
        exactify_(exactify_from_name(options.exactify)),
        keep_going_(keep_going) {}

  void read(const std::string& file) {
    Input input(file);
    Request defaults;
    defaults.max_tokens = options_.max_tokens;
    defaults.sampling = options_.sampling;
    RequestReader reader(input.stream(), input.name(), defaults);
    for (bool more = true; more;) {
      check_interrupt();
      work_before(input);
      try {
        more = submit(reader.next());
      } catch (const Error& e) {
        if (e.kind() == ErrorKind::device) throw;  // nothing can be computed any more
        if (!keep_going_ || e.kind() == ErrorKind::io) {
          drain();
          throw;
        }
        say(e.what());
        ++skipped_;
      }
    }
  }

  void drain() {
    while (in_flight_ > 0) step();
  }

  int64_t skipped() const { return skipped_ + out_.failed(); }

 private:
  bool submit(const std::optional<Request>& request) {
    if (!request) return false;
    Task task{.id = request->id,
              .tokens = server_.model().prompts().encode(*request),
              .tenant = request->tenant,
              .max_tokens = request->max_tokens,
              .sampling = request->sampling,
              .stop = request->stop,
              .reuse = server_.reuse(),
              .exactify = exactify_ != Exactify::off};
    const int64_t place = out_.reserve();
    try {
      server_.engine().submit(std::move(task), [this, place](const Response& response) {
        --in_flight_;
        out_.put(place, response);
      });
    } catch (const Error& e) {
      if (!keep_going_) throw;
      out_.put(place, {.id = request->id, .finish_reason = "error", .error = e.what()});
      return true;
    }
    ++in_flight_;
    while (in_flight_ >= server_.engine().options().parallel) step();
    return true;
  }

  // What can be done before the next line is read, without delaying it by more than a step.
  void work_before(const Input& input) {
    while (exactify_ == Exactify::always && server_.engine().exactify_step()) check_interrupt();
    while (!input.ready()) {
      server_.engine().donors().work_on_tiers();
      if (in_flight_ > 0)
        step();
      else if (exactify_ != Exactify::idle || !server_.engine().exactify_step())
        return;
      check_interrupt();
    }
  }

  void step() {
    check_interrupt();
    server_.engine().step();
    for (const std::string& warning : server_.engine().donors().take_warnings())
      warn("{}", warning);
  }

  Server& server_;
  const ServeOptions& options_;
  const Exactify exactify_;
  bool keep_going_;
  InOrder out_;
  int in_flight_ = 0;
  int64_t skipped_ = 0;
};

}  // namespace

CLI::App* add_run_command(CLI::App& app, ServeOptions& serve, RunOptions& run) {
  CLI::App* command = app.add_subcommand("run", "Answer requests from files or a pipe");
  add_serve_options(*command, serve);
  command->add_option("FILE", run.files, "JSON lines or lines of text; - or none: standard input")
      ->type_name("");
  command->add_option("--parallel", serve.parallel, "Requests worked on at the same time")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, Transformer::kMaxLogitsRows));
  command->add_flag("--keep-going", run.keep_going, "Skip requests that cannot be answered");
  return command;
}

int run_requests(const ServeOptions& serve, const RunOptions& run) {
  Server server(serve);
  Runner runner(server, serve, run.keep_going);
  for (const std::string& file : files_or_stdin(run.files)) runner.read(file);
  runner.drain();
  server.finish_tiers();
  server.tell_background_work();
  return runner.skipped() > 0 ? kExitNegative : kExitOk;
}

}  // namespace kvs
