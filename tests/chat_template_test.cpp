#include "kvs/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kvs/json.h"
#include "support/errors.h"

namespace kvs {
namespace {

const std::string kData = KVS_TEST_DATA "/chat/";

std::string read_file(const std::string& name) {
  std::ifstream file(kData + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<ChatMessage> messages_of(const Json& conversation) {
  std::vector<ChatMessage> messages;
  for (const Json& message : conversation.as_array())
    messages.push_back({message.get("role").as_string(), message.get("content").as_string()});
  return messages;
}

// Templates pass over roles that they do not know; here that is an error.
bool has_odd_role(const std::vector<ChatMessage>& messages) {
  for (size_t index = 0; index < messages.size(); ++index) {
    const std::string& role = messages[index].role;
    if (role == "critic" || (role == "system" && index > 0)) return true;
  }
  return false;
}

class GoldenChat : public testing::Test {
 protected:
  const Json golden = Json::parse(read_file("golden.json"), "golden.json");

  void check_case(const ChatTemplate& chat, const Json& expected, const std::string& name) const {
    const auto number = expected.get("conversation").as_int();
    const auto messages =
        messages_of(golden.get("conversations").as_array()[static_cast<size_t>(number)]);
    const RenderOptions options{expected.get("add_generation_prompt").as_bool(),
                                golden.get("date").as_string()};
    SCOPED_TRACE(name + ", conversation " + std::to_string(number));
    if (expected.get("text").is_null()) {
      EXPECT_THROW(chat.render(messages, options), Error);
      return;
    }
    try {
      EXPECT_EQ(chat.render(messages, options).text, expected.get("text").as_string());
    } catch (const Error& error) {
      EXPECT_TRUE(has_odd_role(messages)) << error.what();
    }
  }
};

TEST_F(GoldenChat, EveryFamilyRendersWhatTransformersRenders) {
  for (const Json& entry : golden.get("templates").as_array()) {
    const std::string& name = entry.get("name").as_string();
    const auto chat = ChatTemplate::recognise(
        read_file(name + ".jinja"), entry.get("bos").as_string(), entry.get("eos").as_string());
    for (const Json& expected : entry.get("cases").as_array()) check_case(chat, expected, name);
  }
}

TEST_F(GoldenChat, MarkupIsWhatTheUsersDidNotWrite) {
  for (const Json& entry : golden.get("templates").as_array()) {
    const std::string& name = entry.get("name").as_string();
    const auto chat = ChatTemplate::recognise(read_file(name + ".jinja"), "<s>", "</s>");
    const std::vector<ChatMessage> messages = {
        {"user", "QUESTION"}, {"assistant", "ANSWER"}, {"user", "FOLLOWUP"}};

    const RenderedChat rendered = chat.render(messages);

    std::string rest = rendered.text;
    for (auto range = rendered.markup.rbegin(); range != rendered.markup.rend(); ++range) {
      ASSERT_LT(range->begin, range->end) << name;
      ASSERT_LE(range->end, rest.size()) << name;
      rest.replace(range->begin, range->size(), "|");
    }
    for (const char* content : {"QUESTION", "ANSWER", "FOLLOWUP"})
      EXPECT_NE(rest.find(content), std::string::npos) << name << ": " << rest;
    EXPECT_EQ(rest.find('<'), std::string::npos) << name << ": " << rest;
  }
}

TEST(ChatTemplate, NamesTheFamilyItRecognises) {
  const auto name_of = [](const std::string& file) {
    return ChatTemplate::recognise(read_file(file + ".jinja"), "", "").name();
  };

  EXPECT_EQ(name_of("smollm2"), "chatml");
  EXPECT_EQ(name_of("qwen3"), "chatml");
  EXPECT_EQ(name_of("llama-2"), "llama-2");
  EXPECT_EQ(name_of("llama-3.2"), "llama-3");
  EXPECT_EQ(name_of("mistral-v0.2"), "mistral-v1");
  EXPECT_EQ(name_of("mistral-v0.3"), "mistral-v3");
  EXPECT_EQ(name_of("mistral-nemo"), "mistral-tekken");
  EXPECT_EQ(name_of("zephyr"), "zephyr");
  EXPECT_EQ(name_of("yi-1.5"), "yi");
}

TEST(ChatTemplate, RefusesWhatItDoesNotKnow) {
  for (const char* file : {"unknown-gemma", "unknown-phi-3", "unknown-phi-4", "unknown-vigogne"}) {
    const Error error = test::error_of(
        [&] { (void)ChatTemplate::recognise(read_file(std::string(file) + ".jinja"), "", ""); });

    EXPECT_EQ(error.kind(), ErrorKind::format) << file;
    EXPECT_STREQ(error.what(),
                 "chat template: the model's own is of no known family; name one with "
                 "--chat-template (chatml, llama-2, llama-3, mistral-v1, mistral-v3, "
                 "mistral-tekken, yi, zephyr)")
        << file;
  }
}

TEST(ChatTemplate, EveryNameIsATemplate) {
  const std::vector<ChatMessage> messages = {{"user", "Hello"}};

  for (const std::string_view name : ChatTemplate::names()) {
    const auto chat = ChatTemplate::named(name, "<s>", "</s>");
    EXPECT_EQ(chat.name(), name);
    EXPECT_NE(chat.render(messages).text.find("Hello"), std::string::npos);
  }
}

TEST(ChatTemplate, ANameThatIsNoneIsAnError) {
  const Error error = test::error_of([] { (void)ChatTemplate::named("alpaca", "", ""); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(),
               "chat template 'alpaca' is not known, expected one of chatml, llama-2, llama-3, "
               "mistral-v1, mistral-v3, mistral-tekken, yi, zephyr");
}

TEST(ChatTemplate, RolesThatDoNotAlternateAreAnError) {
  const auto chat = ChatTemplate::named("llama-2", "<s>", "</s>");
  const std::vector<ChatMessage> messages = {{"system", "S"}, {"user", "a"}, {"user", "b"}};

  const Error error = test::error_of([&] { (void)chat.render(messages); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(),
               "chat: message 3 has role 'user', expected 'assistant': this model's roles must "
               "alternate");
}

TEST(ChatTemplate, ARoleThatTheTemplateWouldDropIsAnError) {
  const auto chat = ChatTemplate::recognise(read_file("qwen2.5.jinja"), "", "<|im_end|>");
  const std::vector<ChatMessage> messages = {{"user", "a"}, {"tool", "{}"}};

  const Error error = test::error_of([&] { (void)chat.render(messages); });

  EXPECT_STREQ(error.what(), "chat: message 2 has role 'tool', expected system, user or assistant");
}

TEST(ChatTemplate, ASystemMessageIsAnErrorWhereThereIsNoPlaceForIt) {
  const auto chat = ChatTemplate::recognise(read_file("mistral-v0.1.jinja"), "<s>", "</s>");
  const std::vector<ChatMessage> messages = {{"system", "S"}, {"user", "a"}};

  const Error error = test::error_of([&] { (void)chat.render(messages); });

  EXPECT_STREQ(error.what(),
               "chat: message 1 has role 'system', which this model's template does not know");
}

TEST(ChatTemplate, NoMessagesAreAnError) {
  const auto chat = ChatTemplate::named("chatml", "", "");

  EXPECT_THROW(chat.render({}), Error);
}

TEST(ChatTemplate, WithoutADateTheTemplatesOwnIsWritten) {
  const auto chat = ChatTemplate::recognise(read_file("llama-3.2.jinja"), "", "");
  const std::vector<ChatMessage> messages = {{"user", "a"}};

  const std::string text = chat.render(messages).text;

  EXPECT_NE(text.find("Today Date: 26 Jul 2024\n\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace kvs
