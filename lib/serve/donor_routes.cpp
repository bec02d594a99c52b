#include "serve/donor_filter.h"
#include "serve/service.h"

namespace kvs {
namespace {

Json to_json(std::span<const ForgottenDonors> forgotten) {
  Json deleted{Json::Object{}}, unreachable{Json::Array{}};
  for (const ForgottenDonors& of : forgotten) {
    deleted.set(of.place, of.donors);
    if (!of.reachable) unreachable.push(of.place);
  }
  return Json::Object{{"object", "kvshare.donors.deleted"},
                      {"deleted", std::move(deleted)},
                      {"unreachable", std::move(unreachable)}};
}

std::optional<std::string> find_parameter(const httplib::Request& request, const char* name) {
  if (!request.has_param(name)) return std::nullopt;
  return request.get_param_value(name);
}

}  // namespace

// Nothing: everybody's, for an operator.
std::optional<std::string> Service::tenant_to_delete(Exchange& exchange) {
  const httplib::Request& request = exchange.request;
  const bool by_key = tenants_.has_keys() && request.has_header("Authorization");
  if (!by_key && from_this_machine(request)) return std::nullopt;
  if (!tenants_.has_keys())
    throw Refusal{.status = 403,
                  .message = "without keys donors are deleted from this machine only",
                  .code = "not_allowed"};
  exchange.caller = caller_of(request);
  exchange.connection.log.set("tenant", exchange.caller.tenant);
  count_request(exchange.caller);
  if (exchange.caller.is_operator) return std::nullopt;
  return exchange.caller.tenant;
}

void Service::delete_donors(Exchange& exchange) {
  const std::optional<std::string> only = tenant_to_delete(exchange);
  DonorQuery query{.tenant = find_parameter(exchange.request, "tenant"),
                   .id = find_parameter(exchange.request, "id"),
                   .prefix = find_parameter(exchange.request, "prefix")};
  if (!query.tenant && !query.id && !query.prefix)
    refuse_field("tenant", "missing", "say which donors: tenant, id, prefix or several of these");
  if (query.prefix && query.prefix->empty())
    refuse_field("prefix", "invalid_value", "'prefix': expected some text");
  if (only && query.tenant.value_or(*only) != *only)
    throw Refusal{.status = 403,
                  .message = "this key may delete donors of its own tenant only",
                  .param = "tenant",
                  .code = "not_allowed"};
  if (only) query.tenant = *only;
  const auto forgotten =
      loop_->forget(make_donor_filter(std::move(query), *model_->prompts().tokenizer()));
  if (!forgotten) throw shutting_down();
  exchange.answer(to_json(*forgotten));
}

}  // namespace kvs
