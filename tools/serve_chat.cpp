#include "tools/serve_chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "kvs/error.h"
#include "tools/interrupt.h"
#include "tools/line_editor.h"
#include "tools/output.h"
#include "tools/terminal.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr const char* kHelp =
    "/system TEXT   set the system prompt and start over; without TEXT show it\n"
    "/reset         start over\n"
    "/stats         how the last prompt's KV came about\n"
    "/help          this list\n"
    "/quit          leave; so does Ctrl-D\n"
    "A line that ends in \\ goes on in the next one; \"\"\" begins and ends a longer text.\n"
    "Ctrl-C stops an answer.\n";

std::string history_file() {
  if (const char* state = std::getenv("XDG_STATE_HOME"))
    return std::string(state) + "/kvshare/chat_history";
  const char* home = std::getenv("HOME");
  return home ? std::string(home) + "/.local/state/kvshare/chat_history" : std::string();
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::io, "{}: cannot open: {}", path, std::strerror(errno));
  std::string text(std::istreambuf_iterator<char>(file), {});
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string timings(const Response& response) {
  const ReuseReport& reuse = response.reuse;
  const double rate = reuse.tpot_ms > 0 ? 1000 / reuse.tpot_ms : 0;
  return fmt::format("{} tokens, {} reused, {} computed · first token {:.0f} ms · {:.1f} tokens/s",
                     reuse.prompt_tokens, reuse.exact + reuse.shifted + reuse.fuzzy,
                     reuse.recomputed + reuse.computed, reuse.ttft_ms, rate);
}

std::string statistics(const Response& response) {
  const ReuseReport& reuse = response.reuse;
  std::string text = fmt::format(
      "prompt {} tokens: {} exact, {} shifted, {} recomputed, {} computed ({:.0f} % reused)\n"
      "reuse {}, policy {}{}\n"
      "first token {:.1f} ms, of it look-up {:.2f}, planning {:.2f}, loading {:.2f}\n"
      "answer {} tokens ({}), {:.1f} ms per token\n",
      reuse.prompt_tokens, reuse.exact, reuse.shifted, reuse.recomputed, reuse.computed,
      100 * reuse.hit_rate(), reuse_mode_name(reuse.mode), policy_name(reuse.policy),
      reuse.reason == ReuseReason::none
          ? ""
          : fmt::format(", not more because: {}", reuse_reason_name(reuse.reason)),
      reuse.ttft_ms, reuse.lookup_ms, reuse.plan_ms, reuse.load_ms, response.tokens.size(),
      response.finish_reason, reuse.tpot_ms);
  for (const DonorUse& donor : reuse.donors)
    text += fmt::format("  {} tokens from {}\n", donor.tokens, donor.id);
  return text;
}

class Chat {
 public:
  Chat(const ServeOptions& options, std::string system)
      : options_(options), server_(options), system_(std::move(system)) {
    reset();
  }

  // Returns false where the user wants to leave.
  bool handle(const std::string& message) {
    if (message == "/quit" || message == "/exit") return false;
    if (message.starts_with("/"))
      command(message);
    else if (!message.empty())
      answer(message);
    return true;
  }

  // Makes exact what was said, a step at a time.
  bool work() {
    const bool copying = server_.engine().donors().work_on_tiers();
    return server_.engine().exactify_step() || copying;
  }
  void finish() { server_.finish_tiers(); }

  void greet() {
    show(fmt::format("{} on {}. /help lists the commands.\n", server_.model().name(),
                     server_.backend().description()));
  }

 private:
  void show(std::string_view text) {
    write_out(fmt::format("{}{}{}", palette_.faint, text, palette_.reset));
    flush_out();
  }

  void reset() {
    messages_.clear();
    if (!system_.empty()) messages_.push_back({"system", system_});
  }

  void command(const std::string& message) {
    if (message == "/help") return show(kHelp);
    if (message == "/stats") return show(last_ ? statistics(*last_) : "There was no answer yet.\n");
    if (message == "/system") return show(system_.empty() ? "(none)\n" : system_ + "\n");
    if (message.starts_with("/system "))
      system_ = message.substr(8);
    else if (message != "/reset")
      return show(fmt::format("There is no {}. /help lists the commands.\n", message));
    reset();
    show("A new conversation.\n");
  }

  void answer(const std::string& message) {
    messages_.push_back({"user", message});
    try {
      last_ = server_.engine().run(make_task());
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::device) throw;  // nothing can be computed any more
      messages_.pop_back();
      return show(fmt::format("{}\n", e.what()));
    }
    clear_interrupt();
    if (last_->finish_reason == "error") {
      messages_.pop_back();
      return show(last_->error + "\n");
    }
    messages_.push_back({"assistant", last_->text});
    const bool stopped = last_->finish_reason == "cancelled";
    write_out("\n");
    show(fmt::format("[{}{}]\n", stopped ? "stopped · " : "", timings(*last_)));
  }

  Task make_task() {
    Task task{.id = fmt::format("turn-{}", messages_.size()),
              .tokens = server_.model().prompts().encode_chat(messages_),
              .conversation = "chat",
              .max_tokens = options_.max_tokens,
              .sampling = options_.sampling,
              .reuse = server_.reuse(),
              .exactify = options_.exactify != "off"};
    task.on_text = [](std::string_view text) {
      write_out(text);
      flush_out();
      return interrupted() == 0;
    };
    return task;
  }

  const ServeOptions& options_;
  Server server_;
  std::string system_;
  std::vector<ChatMessage> messages_;
  std::optional<Response> last_;
  Palette palette_ = palette(wants_colour(STDOUT_FILENO));
};

}  // namespace

CLI::App* add_chat_command(CLI::App& app, ServeOptions& serve, ChatOptions& chat) {
  CLI::App* command = app.add_subcommand("chat", "Talk with the model in a terminal");
  add_serve_options(*command, serve);
  auto* text = command->add_option("--system", chat.system, "System prompt")->type_name("TEXT");
  command->add_option("--system-file", chat.system_file, "File that holds the system prompt")
      ->type_name("FILE")
      ->excludes(text);
  return command;
}

int chat(const ServeOptions& serve, const ChatOptions& options) {
  if (!is_terminal(STDIN_FILENO) || !is_terminal(STDOUT_FILENO))
    fail(ErrorKind::argument, "chat needs a terminal; for files and pipes there is kvs-serve run");
  Chat chat(serve, options.system_file.empty() ? options.system : read_text(options.system_file));
  LineEditor editor("kvs-serve", history_file(), [&] { return chat.work(); });
  chat.greet();
  for (bool more = true; more;) {
    const std::optional<std::string> message = editor.read_message("> ");
    if (message)
      more = chat.handle(*message);
    else if (interrupted() != 0)
      write_out("\n");  // Ctrl-C at the prompt drops the line
    else
      more = false;
    clear_interrupt();
  }
  write_out("\n");
  chat.finish();
  return kExitOk;
}

}  // namespace kvs
