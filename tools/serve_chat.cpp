#include "tools/serve_chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "kvs/error.h"
#include "tools/chat_partner.h"
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

// A number of what is told about a prompt; servers of other makes tell less.
double number(const Json& kvshare, const char* key) {
  const Json* value = kvshare.find(key);
  return value && value->is_number() ? value->as_number() : 0;
}

std::string text(const Json& kvshare, const char* key) {
  const Json* value = kvshare.find(key);
  return value && value->is_string() ? value->as_string() : std::string();
}

double reused(const Json& kvshare) {
  return number(kvshare, "exact") + number(kvshare, "shifted") + number(kvshare, "fuzzy");
}

std::string timings(const Json& kvshare) {
  const double tpot_ms = number(kvshare, "tpot_ms");
  return fmt::format(
      "{:.0f} tokens, {:.0f} reused, {:.0f} computed · first token {:.0f} ms · {:.1f} tokens/s",
      number(kvshare, "prompt_tokens"), reused(kvshare),
      number(kvshare, "recomputed") + number(kvshare, "computed"), number(kvshare, "ttft_ms"),
      tpot_ms > 0 ? 1000 / tpot_ms : 0);
}

std::string donors(const Json& kvshare) {
  std::string lines;
  const Json* list = kvshare.find("donors");
  if (!list || !list->is_array()) return lines;
  for (const Json& donor : list->as_array()) {
    const std::string id = text(donor, "id");
    lines += fmt::format("  {:.0f} tokens from {}\n", number(donor, "tokens"),
                         id.empty() ? "somebody of the group" : id);
  }
  return lines;
}

std::string statistics(const ChatAnswer& answer) {
  const Json& kvshare = answer.kvshare;
  const auto count = [&](const char* key) { return number(kvshare, key); };
  if (kvshare.is_null()) return "Of a stopped answer the server says nothing.\n";
  const std::string reason = text(kvshare, "reason");
  std::string lines = fmt::format(
      "prompt {:.0f} tokens: {:.0f} exact, {:.0f} shifted, {:.0f} recomputed, {:.0f} computed "
      "({:.0f} % reused)\n",
      count("prompt_tokens"), count("exact"), count("shifted"), count("recomputed"),
      count("computed"), 100 * reused(kvshare) / std::max(1.0, count("prompt_tokens")));
  if (kvshare.find("policy"))
    lines += fmt::format("reuse {}, policy {}{}\n", text(kvshare, "mode"), text(kvshare, "policy"),
                         reason.empty() ? "" : ", not more because: " + reason);
  lines += fmt::format(
      "first token {:.1f} ms, of it look-up {:.2f}, planning {:.2f}, loading {:.2f}\n"
      "answer {} tokens ({}), {:.1f} ms per token\n",
      count("ttft_ms"), count("lookup_ms"), count("plan_ms"), count("load_ms"), answer.tokens,
      answer.finish_reason, count("tpot_ms"));
  return lines + donors(kvshare);
}

class Chat {
 public:
  Chat(ChatPartner& partner, std::string system) : partner_(partner), system_(std::move(system)) {
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

  void greet() { show(fmt::format("{}. /help lists the commands.\n", partner_.description())); }

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
    bool begun = false;
    try {
      last_ = partner_.answer(messages_, [&](std::string_view text) {
        begun = true;
        write_out(text);
        flush_out();
      });
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::device) throw;  // nothing can be computed any more
      messages_.pop_back();
      clear_interrupt();
      return show(fmt::format("{}{}\n", begun ? "\n" : "", e.what()));
    }
    clear_interrupt();
    messages_.push_back({"assistant", last_->text});
    const bool stopped = last_->finish_reason == "cancelled";
    write_out("\n");
    if (last_->kvshare.is_null()) return show("[stopped]\n");
    show(fmt::format("[{}{}]\n", stopped ? "stopped · " : "", timings(last_->kvshare)));
  }

  ChatPartner& partner_;
  std::string system_;
  std::vector<ChatMessage> messages_;
  std::optional<ChatAnswer> last_;
  Palette palette_ = palette(wants_colour(STDOUT_FILENO));
};

// What only a model in this process can be told. A variable may be meant for others.
void refuse_what_servers_decide(const CLI::App& command) {
  const auto counts = [](const CLI::Option& option) {
    for (const char* name : {"url", "api-key", "system", "system-file", "max-tokens", "temperature",
                             "top-k", "top-p", "min-p", "repetition-penalty", "seed"})
      if (option.check_lname(name)) return true;
    return option.count() == 0 || std::getenv(option.get_envname().c_str());
  };
  for (const CLI::Option* option : command.get_options())
    if (!counts(*option))
      fail(ErrorKind::argument, "{}: with --url the server decides", option->get_name());
}

void talk(Chat& chat, LineEditor& editor) {
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
}

}  // namespace

CLI::App* add_chat_command(CLI::App& app, ServeOptions& serve, ChatOptions& chat) {
  CLI::App* command = app.add_subcommand("chat", "Talk with a model in a terminal");
  add_serve_options(*command, serve);
  command->get_option("--model")->required(false);
  command->add_option("--url", chat.server.url, "Talk to this server: http://HOST[:PORT][/PATH]")
      ->type_name("URL");
  command->add_option("--api-key", chat.api_key, "For the server; better as KVS_API_KEY")
      ->type_name("KEY");
  auto* text = command->add_option("--system", chat.system, "System prompt")->type_name("TEXT");
  command->add_option("--system-file", chat.system_file, "File that holds the system prompt")
      ->type_name("FILE")
      ->excludes(text);
  return command;
}

int chat(const CLI::App& command, const ServeOptions& serve, const ChatOptions& options) {
  if (serve.model.empty() && options.server.url.empty())
    fail(ErrorKind::argument, "--model or --url is required");
  if (!options.server.url.empty()) refuse_what_servers_decide(command);
  if (!is_terminal(STDIN_FILENO) || !is_terminal(STDOUT_FILENO))
    fail(ErrorKind::argument, "chat needs a terminal; for files and pipes there is kvs-serve run");
  const auto partner = options.server.url.empty()
                           ? open_local_partner(serve)
                           : open_remote_partner(options.server, options.api_key, serve);
  Chat chat(*partner,
            options.system_file.empty() ? options.system : read_text(options.system_file));
  LineEditor editor("kvs-serve", history_file(), [&] { return partner->work(); });
  talk(chat, editor);
  partner->finish();
  return kExitOk;
}

}  // namespace kvs
