#include <unroll/core/base/scope.hpp>
#include <unroll/optim/checkpoint.hpp>
#include <unroll/optim/parameter_list.hpp>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <set>
#include <sstream>

namespace unroll::optim {

namespace {

// Version 1 identified the tensors of the optimiser's state by index; later versions use paths.
constexpr const char* version = "2";
constexpr const char* version_key = "unroll.checkpoint";
constexpr const char* tensor_prefix = "tensor.";

// Where a checkpoint stores something that resumes.
struct Part {
    const char* prefix;    // of the names of its tensors
    const char* steps_key; // of its step in the metadata
    const char* whose;
};
constexpr Part optimizer_part{"optimizer.", "unroll.steps", "the optimiser's"};
constexpr Part average_part{"ema.", "unroll.ema_steps", "the average's"};
constexpr const char* reserved[] = {tensor_prefix, optimizer_part.prefix, average_part.prefix};

bool is_reserved(const std::string& name) {
    return std::any_of(std::begin(reserved), std::end(reserved),
                       [&](const char* prefix) { return name.starts_with(prefix); });
}

Shape shape_of(const StoredTensor& stored) {
    Shape shape;
    for (const std::uint64_t n : stored.shape) shape.push_back(n);
    return shape;
}

// Checks all names and shapes before anything is loaded.
template <class T>
std::vector<Tensor<T>> matching(const Op& op, const SafetensorsFile& file,
                                const Parameters<T>& parameters,
                                Narrowing narrowing = Narrowing::refuse) {
    std::string problems;
    std::set<std::string> known;
    std::vector<Tensor<T>> values;
    for (const auto& parameter : parameters) {
        const std::string& name = parameter.path;
        known.insert(name);
        if (!file.contains(name)) {
            problems += "\n  missing: " + name + " " + to_string(parameter.shape());
        } else if (file.at(name).shape.size() > max_rank ||
                   shape_of(file.at(name)) != parameter.shape()) {
            std::string shape;
            for (const auto n : file.at(name).shape)
                shape += (shape.empty() ? "" : ", ") + std::to_string(n);
            problems += "\n  misshaped: " + name + " is [" + shape + "], expected " +
                        to_string(parameter.shape());
        }
    }
    for (const std::string& name : file.names())
        if (!known.contains(name) && !is_reserved(name) && !name.ends_with("num_batches_tracked"))
            problems += "\n  unexpected: " + name;
    if (!problems.empty()) fail(op, "'" + file.path() + "' does not match the model:" + problems);
    for (const auto& parameter : parameters)
        values.push_back(file.get<T>(parameter.path, narrowing));
    return values;
}

template <class T>
void set_all(Parameters<T> parameters, const std::vector<Tensor<T>>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) parameters[i].set(values[i]);
}

template <class T>
std::vector<NamedTensor> weights(const Op& op, const Parameters<T>& parameters) {
    std::vector<NamedTensor> all;
    if (parameters.empty())
        fail(op, "there are no parameters to save; was the module moved from, or does its "
                 "members() name none?");
    const Parameters<T> each = each_once(parameters);
    require_distinct_paths(op, each);
    for (const auto& parameter : each) {
        if (is_reserved(parameter.path))
            fail(op, "a parameter's path may not begin with '" + std::string(reserved[0]) + "', '" +
                         reserved[1] + "' or '" + reserved[2] + "', got '" + parameter.path + "'");
        all.push_back({parameter.path, parameter.value()});
    }
    return all;
}

// Otherwise a checkpoint would hold the weights of one model and the optimiser's state of another.
template <class T>
void require_listed(const Op& op, const Parameters<T>& parameters, const Resumable<T>* updates) {
    if (updates == nullptr) return;
    for (const auto& p : updates->parameters())
        if (std::ranges::find(parameters, p.body(), [](const auto& q) { return q.body(); }) ==
            parameters.end())
            fail(op, "the parameter '" + p.path +
                         "' of the optimiser or average is not among those of the checkpoint; are "
                         "they of another model?");
}

std::uint64_t whole_number(const Op& op, const std::string& path, const std::string& text,
                           const Part& part) {
    std::uint64_t count = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc() || stop != end)
        fail(op, "'" + path + "' has '" + text + "' for " + part.whose + " step");
    return count;
}

// The tensors whose names begin with the prefix, without it.
template <class T>
std::map<std::string, Tensor<T>> tensors_of(const SafetensorsFile& file,
                                            const std::string& prefix) {
    std::map<std::string, Tensor<T>> all;
    for (const std::string& name : file.names())
        if (name.starts_with(prefix)) all[name.substr(prefix.size())] = file.get<T>(name);
    return all;
}

// A part that was read and fits what it is for.
template <class T>
struct Resumption {
    Resumable<T>* to;
    std::map<std::string, Tensor<T>> state;
    std::uint64_t steps;
};

template <class T>
Resumption<T> read_part(const Op& op, const SafetensorsFile& file, const Part& part,
                        Resumable<T>& to) {
    const auto steps = file.metadata().find(part.steps_key);
    if (steps == file.metadata().end())
        fail(op, "'" + file.path() + "' does not contain " + part.whose + " step");
    Resumption<T> read{&to, tensors_of<T>(file, part.prefix),
                       whole_number(op, file.path(), steps->second, part)};
    const std::string problems = to.mismatches(read.state);
    if (!problems.empty())
        fail(op, "'" + file.path() + "': " + part.whose +
                     " state does not match the parameters:" + problems);
    return read;
}

} // namespace

template <class T>
void save_weights(const std::string& path, const Parameters<T>& parameters,
                  const std::map<std::string, std::string>& metadata, Where where) {
    const Called here(where);
    write_safetensors(path, weights(Op("save_weights", where), parameters), metadata);
}

template <class T>
void load_weights(const std::string& path, const Parameters<T>& parameters, Narrowing narrowing,
                  Where where) {
    const Called here(where);
    const Op op("load_weights", where);
    set_all(parameters, matching(op, SafetensorsFile::read(path), parameters, narrowing));
}

template <class T>
void Checkpoint<T>::save(const std::string& path, Where where) const {
    const Called here(where);
    const Op op("save", where);
    std::vector<NamedTensor> all = weights(op, parameters);
    require_listed<T>(op, parameters, optimizer);
    require_listed<T>(op, parameters, average);
    std::map<std::string, std::string> texts = metadata;
    texts[version_key] = version;
    const auto add = [&](const Part& part, const Resumable<T>* from) {
        if (from == nullptr) return;
        for (const auto& [name, tensor] : from->state())
            all.push_back({part.prefix + name, tensor});
        texts[part.steps_key] = std::to_string(from->steps());
    };
    add(optimizer_part, optimizer);
    add(average_part, average);
    for (const auto& [name, tensor] : tensors) all.push_back({tensor_prefix + name, tensor});
    write_safetensors(path, all, texts);
}

template <class T>
void Checkpoint<T>::load(const std::string& path, Where where) {
    const Called here(where);
    const Op op("load", where);
    require_listed<T>(op, parameters, optimizer);
    require_listed<T>(op, parameters, average);
    const SafetensorsFile file = SafetensorsFile::read(path);
    const auto found = file.metadata().find(version_key);
    if (found == file.metadata().end())
        fail(op, "'" + path + "' contains weights but no training state");
    if (found->second != version)
        fail(op, "'" + path + "' has version " + found->second +
                     " of the training state, this program reads version " + version +
                     (found->second == "1"
                          ? ": the optimiser's state was identified by index and is now "
                            "identified by path"
                          : "") +
                     ". Its weights can be read by load_weights");
    const auto values = matching(op, file, parameters);
    std::vector<Resumption<T>> parts;
    if (optimizer != nullptr) parts.push_back(read_part(op, file, optimizer_part, *optimizer));
    if (average != nullptr) parts.push_back(read_part<T>(op, file, average_part, *average));
    auto others = tensors_of<T>(file, tensor_prefix);
    for (const auto& part : parts) part.to->restore(part.state, part.steps, where);
    set_all(parameters, values);
    tensors = std::move(others);
    metadata = file.metadata();
    metadata.erase(version_key);
    metadata.erase(optimizer_part.steps_key);
    metadata.erase(average_part.steps_key);
}

std::string to_metadata(const Random::State& state) {
    return std::to_string(state.seed) + " " + std::to_string(state.stream) + " " +
           std::to_string(state.position);
}

Random::State random_state(const std::string& metadata, Where where) {
    std::istringstream in(metadata);
    Random::State state{};
    const bool is_signed = metadata.find_first_of("+-") != metadata.npos; // >> would wrap around
    if (is_signed || !(in >> state.seed >> state.stream >> state.position) ||
        !(in >> std::ws).eof())
        fail(Op("random_state", where),
             "'" + metadata + "' is not the state of a random generator");
    return state;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template void save_weights(const std::string&, const Parameters<T>&,                           \
                               const std::map<std::string, std::string>&, Where);                  \
    template void load_weights(const std::string&, const Parameters<T>&, Narrowing, Where);        \
    template struct Checkpoint<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
