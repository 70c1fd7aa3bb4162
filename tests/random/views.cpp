#include "choices.hpp"

#include <unroll/ops/join.hpp>
#include <unroll/ops/views.hpp>

#include <numeric>

namespace programs {

// Views and joins.
void add_views(std::vector<Operation>& all) {
    const auto axis = [](const Call& c) { return static_cast<std::size_t>(c.numbers[0]); };
    add(
        all, "reshape",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, any)) return false;
            std::size_t left = v.values[c.operands[0]].size();
            c.shape = {};
            for (const std::size_t n : {2u, 3u})
                if (left > 0 && left % n == 0 && v.below(2) == 0) {
                    c.shape.push_back(n);
                    left /= n;
                }
            c.shape.push_back(left);
            return true;
        },
        [](const auto& x, const Call& c) { return reshape(x[0], c.shape); },
        [](const auto& x, const Call& c) {
            auto out = x[0];
            out.shape = c.shape;
            return out;
        });
    add(
        all, "flatten", one(any), [](const auto& x, const Call&) { return flatten(x[0]); },
        [](const auto& x, const Call&) {
            auto out = x[0];
            out.shape = {out.x.size()};
            return out;
        });
    add(
        all, "slice",
        [](Values& v, Call& c) {
            if (!one_axis(has_axis)(v, c)) return false;
            const std::size_t n = v.shape(c.operands[0])[static_cast<std::size_t>(c.numbers[0])];
            const std::size_t begin = v.below(n + 1), end = begin + v.below(n - begin + 1);
            c.numbers.push_back(static_cast<std::int64_t>(begin));
            c.numbers.push_back(static_cast<std::int64_t>(end));
            return true;
        },
        [](const auto& x, const Call& c) {
            return slice(x[0], c.numbers[0], static_cast<std::size_t>(c.numbers[1]),
                         static_cast<std::size_t>(c.numbers[2]));
        },
        [axis](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            shape[axis(c)] = static_cast<std::size_t>(c.numbers[2] - c.numbers[1]);
            return rearranged(x[0], shape, [&](Index i) {
                i[axis(c)] += static_cast<std::size_t>(c.numbers[1]);
                return i;
            });
        });
    add(
        all, "select",
        [](Values& v, Call& c) {
            if (!one_axis([](const Shape& s) { return has_axis(s) && has_elements(s); })(v, c))
                return false;
            c.numbers.push_back(static_cast<std::int64_t>(
                v.below(v.shape(c.operands[0])[static_cast<std::size_t>(c.numbers[0])])));
            return true;
        },
        [](const auto& x, const Call& c) {
            return select(x[0], c.numbers[0], static_cast<std::size_t>(c.numbers[1]));
        },
        [axis](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            shape.erase(axis(c));
            return rearranged(x[0], shape, [&](Index i) {
                i.insert(i.begin() + c.numbers[0], static_cast<std::size_t>(c.numbers[1]));
                return i;
            });
        });
    add(
        all, "block",
        [](Values& v, Call& c) {
            c.numbers = {static_cast<std::int64_t>(v.below(2))};
            return v.pick(c.operands,
                          [](const Shape& s) { return has_last(s) && s.back() % 2 == 0; });
        },
        [](const auto& x, const Call& c) {
            return block(x[0], static_cast<std::size_t>(c.numbers[0]), 2);
        },
        [](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            shape.back() /= 2;
            return rearranged(x[0], shape, [&](Index i) {
                i.back() += static_cast<std::size_t>(c.numbers[0]) * shape.back();
                return i;
            });
        });
    add(
        all, "transpose",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_axis)) return false;
            c.numbers.resize(v.shape(c.operands[0]).size());
            std::iota(c.numbers.begin(), c.numbers.end(), 0);
            for (std::size_t k = c.numbers.size(); k > 1; --k)
                std::swap(c.numbers[k - 1], c.numbers[v.below(k)]);
            return true;
        },
        [](const auto& x, const Call& c) {
            return record_view("transpose", x[0],
                               x[0].value().transpose(
                                   std::vector<std::size_t>(c.numbers.begin(), c.numbers.end())));
        },
        [](const auto& x, const Call& c) {
            Shape shape;
            for (const auto a : c.numbers) shape.push_back(x[0].shape[static_cast<std::size_t>(a)]);
            return rearranged(x[0], shape, [&](const Index& i) {
                Index j(i.size());
                for (std::size_t a = 0; a < i.size(); ++a)
                    j[static_cast<std::size_t>(c.numbers[a])] = i[a];
                return j;
            });
        });
    add(
        all, "swapaxes", one_axis(has_axis),
        [](const auto& x, const Call& c) { return swapaxes(x[0], c.numbers[0], -1); },
        [axis](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            std::swap(shape[axis(c)], shape.back());
            return rearranged(x[0], shape, [&](Index i) {
                std::swap(i[axis(c)], i.back());
                return i;
            });
        });
    add(
        all, "flip", one_axis(has_axis),
        [](const auto& x, const Call& c) { return flip(x[0], c.numbers[0]); },
        [axis](const auto& x, const Call& c) {
            return rearranged(x[0], x[0].shape, [&](Index i) {
                i[axis(c)] = x[0].shape[axis(c)] - 1 - i[axis(c)];
                return i;
            });
        });
    add(
        all, "expand_dims, squeeze",
        one_axis([](const Shape& s) { return has_axis(s) && s.size() < 4; }),
        [](const auto& x, const Call& c) {
            return squeeze(expand_dims(expand_dims(x[0], c.numbers[0]), 0), 0);
        },
        [axis](const auto& x, const Call& c) {
            auto out = x[0];
            out.shape.insert(axis(c), 1);
            return out;
        });
    add(
        all, "broadcast_to",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, [](const Shape& s) { return s.size() < 4; })) return false;
            c.shape = v.shape(c.operands[0]);
            for (auto& n : c.shape)
                if (n == 1) n = 1 + v.below(3);
            c.shape.insert(0, 1 + v.below(2));
            return true;
        },
        [](const auto& x, const Call& c) { return broadcast_to(x[0], c.shape); },
        [](const auto& x, const Call& c) {
            auto out = std::decay_t<decltype(x[0])>(c.shape);
            for_each(c.shape, [&](const Index& i) { out(i) = x[0].broadcast(i); });
            return out;
        });
    add(
        all, "concatenate",
        [](Values& v, Call& c) {
            if (!one_axis(has_axis)(v, c)) return false;
            const Shape a = v.shape(c.operands[0]);
            const auto along = static_cast<std::size_t>(c.numbers[0]);
            return v.pick(c.operands, [&](const Shape& b) {
                if (b.size() != a.size()) return false;
                Shape other = b;
                other[along] = a[along];
                return other == a;
            });
        },
        [](const auto& x, const Call& c) {
            return unroll::concatenate({x[0], x[1], x[0]}, c.numbers[0]);
        },
        [axis](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            const std::size_t a = x[0].shape[axis(c)], b = x[1].shape[axis(c)];
            shape[axis(c)] = a + b + a;
            auto out = std::decay_t<decltype(x[0])>(shape);
            for_each(shape, [&](const Index& i) {
                Index j = i;
                const std::size_t at = i[axis(c)];
                j[axis(c)] = at < a ? at : at < a + b ? at - a : at - a - b;
                out(i) = at >= a && at < a + b ? x[1](j) : x[0](j);
            });
            return out;
        });
    add(
        all, "stack",
        [](Values& v, Call& c) {
            if (!equal_pair(v, c) || v.shape(c.operands[0]).size() > 3) return false;
            c.numbers = {static_cast<std::int64_t>(v.below(v.shape(c.operands[0]).size() + 1))};
            return true;
        },
        [](const auto& x, const Call& c) {
            return unroll::stack({x[0], x[1]}, c.numbers[0]);
        },
        [axis](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            shape.insert(axis(c), 2);
            auto out = std::decay_t<decltype(x[0])>(shape);
            for_each(shape, [&](const Index& i) {
                Index j = i;
                j.erase(j.begin() + c.numbers[0]);
                out(i) = x[i[axis(c)]](j);
            });
            return out;
        });
    add(
        all, "pad", one_axis(has_axis),
        [](const auto& x, const Call& c) { return pad(x[0], c.numbers[0], 1, 2, 0.5); },
        [axis](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            shape[axis(c)] += 3;
            auto out = std::decay_t<decltype(x[0])>(shape);
            for_each(shape, [&](Index i) {
                auto& to = out(i);
                const bool inside = i[axis(c)] >= 1 && i[axis(c)] < 1 + x[0].shape[axis(c)];
                i[axis(c)] -= inside ? 1 : 0;
                to = inside ? x[0](i) : 0.5;
            });
            return out;
        });
}

} // namespace programs
