#include "core/files/files.hpp"

#include <unroll/nn/series/time_series.hpp>

using namespace test;
using Values = std::vector<double>;

namespace {

nn::TimeSeries read(const std::string& text, const nn::TimeSeriesOptions& options = {}) {
    const Folder folder;
    put(folder / "x.csv", text);
    return nn::read_time_series(folder / "x.csv", options);
}

std::string refused(const std::string& text, const nn::TimeSeriesOptions& options = {}) {
    const Folder folder;
    put(folder / "x.csv", text);
    const std::string message = refusal([&] { nn::read_time_series(folder / "x.csv", options); });
    CHECK(says(message, (folder / "x.csv").string()));
    return message;
}

} // namespace

TEST_CASE("time series: days") {
    const auto series = read("day,n\n2001-12-30,1.5\n2001-12-31,2\n2002-01-01,-3e2\n");
    CHECK(series.names == std::vector<std::string>{"n"});
    CHECK(series.columns[0] == Values{1.5, 2, -300});
    CHECK(series.dates[1] == "2001-12-31");
    CHECK(series.times[1] - series.times[0] == 86400);
    CHECK(series.times[0] == 1009670400);
    CHECK(series.seconds == 86400);
    CHECK(series.about == "3 days, 2001-12-30 to 2002-01-01, ',', column 'n', decimal point");
    CHECK(series.season() == 365);
    CHECK(series.phases() == std::vector<std::size_t>{363, 364, 0});
    CHECK(series.date(0) == "2001-12-30");
    CHECK(series.date(4) == "2002-01-03");
}

TEST_CASE("time series: months, also of the last day") {
    const auto series = read("2001-11;1\n2001-12;2\n2002-01;3\n");
    CHECK(series.months == 1);
    CHECK(series.season() == 12);
    CHECK(series.phases() == std::vector<std::size_t>{10, 11, 0});
    CHECK(series.date(2) == "2002-01");
    CHECK(series.date(14) == "2003-01");
    const auto quarters = read("2001-01-15\t1\n2001-04-15\t2\n2001-07-15\t3\n");
    CHECK(says(quarters.about, "3 quarters"));
    CHECK(quarters.date(3) == "2001-10");
}

TEST_CASE("time series: hours in one column or two") {
    const auto one = read("2020-03-01 22:00,1\n2020-03-01 23:00,2\n2020-03-02 00:00,3\n");
    const auto two = read("01.03.2020;22:00;1\n01.03.2020;23:00;2\n02.03.2020;00:00;3\n");
    CHECK(one.times == two.times);
    CHECK(one.season() == 24);
    CHECK(one.phases() == std::vector<std::size_t>{22, 23, 0});
    CHECK(two.dates[0] == "01.03.2020 22:00");
    CHECK(two.date(0) == "2020-03-01 22:00");
    CHECK(two.date(4) == "2020-03-02 02:00");
}

TEST_CASE("time series: day or month first, whichever is regular") {
    CHECK(says(read("01/02/2001,1\n02/02/2001,2\n03/02/2001,3\n").about, "day first"));
    CHECK(says(read("11/12/2001,1\n12/12/2001,2\n01/12/2002,3\n").about, "month first"));
    CHECK(says(read("02/13/2001,1\n02/14/2001,2\n").about, "month first"));
    CHECK(says(read("1.2.99;1\n2.2.99;2\n").about, "1999-02-01"));
    CHECK(says(refused("13/02/2001,1\n02/14/2001,2\n"), "others the month"));
}

TEST_CASE("time series: decimals and thousands") {
    const auto values = [](const std::vector<std::string>& numbers, char separator = ';') {
        std::string text;
        for (std::size_t i = 0; i < numbers.size(); ++i)
            text += std::to_string(2001 + i) + "-01" + separator + numbers[i] + "\n";
        return read(text).columns[0];
    };
    CHECK(values({"1.5", "12.25"}) == Values{1.5, 12.25});
    CHECK(values({"1,5", "12,25"}) == Values{1.5, 12.25});
    CHECK(values({"1.352,5", "7"}) == Values{1352.5, 7});
    CHECK(values({"1,352.5", "7"}) == Values{1352.5, 7});
    CHECK(values({"1.352", "7"}) == Values{1352, 7});
    CHECK(values({"1.352", "7000"}) == Values{1.352, 7000});
    CHECK(values({"1.352", "0.352"}) == Values{1.352, 0.352});
    CHECK(values({"\"1,352\"", "\"2,352\""}, ',') == Values{1352, 2352});
    CHECK(values({"1 352 000", "+7"}) == Values{1352000, 7});
    CHECK(says(refused("2001-01;1.352,5\n2002-01;1,352.5\n"), "others a decimal comma"));
}

TEST_CASE("time series: columns, missing values, order, gaps and repeats") {
    const std::string head = "t;a;b\n";
    const std::string table =
        head + "2001-01-01;x;1\n2001-01-02;y;\n2001-01-03;z;-9\n2001-01-04;z;4\n";
    const auto series = read(table, {.missing = {"-9"}});
    CHECK(series.names == std::vector<std::string>{"b"});
    CHECK(series.columns[0] == Values{1, 2, 3, 4});
    CHECK(says(series.about, "2 missing, interpolated"));
    CHECK(read(table, {.columns = {"3"}}).columns[0][2] == -9);
    CHECK(read("2001-01-01,1,2\n2001-01-02,3,4\n", {.columns = {"3", "2"}}).columns ==
          std::vector<Values>{{2, 4}, {1, 3}});
    CHECK(says(refused(table, {.columns = {"c"}}), "it has 't', 'a', 'b'"));
    CHECK(says(refused("2001-01-01,x\n"), "no column of numbers"));

    const auto falling = read("2001-01-03,3\n2001-01-02,2\n2001-01-01,1\n");
    CHECK(falling.columns[0] == Values{1, 2, 3});
    CHECK(falling.dates[0] == "2001-01-01");
    CHECK(says(falling.about, "descending: reversed"));
    CHECK(says(read("2001-01-01,1\n2001-01-02,1\n2001-01-02,1\n2001-01-05,1\n2001-01-06,1\n").about,
               "1 gap, 1 repeat"));
}

TEST_CASE("time series: interpolation does not overflow") {
    CHECK(read("2001-01-01,1e308\n2001-01-02,\n2001-01-03,-1e308\n").columns[0] ==
          Values{1e308, 0, -1e308});
}

TEST_CASE("time series: errors with path and line") {
    const std::string good = "2001-01-01,1\n2001-01-02,2\n2001-01-03,3\n";
    CHECK(says(refused(good + "2001-01-04,1,2\n"), "line 4: expected 2 cells"));
    CHECK(says(refused(good + "2001-01-04,many\n"), "line 4: 'many' is not a number"));
    CHECK(says(refused(good + "2001-02-30,4\n"), "line 4: '2001-02-30' is not a valid date"));
    CHECK(says(refused(good + "2001-01-260,4\n"), "line 4: '2001-01-260' is not a valid date"));
    CHECK(says(refused(good + "4.1.2001,4\n"), "line 4: '4.1.2001' is not a date"));
    CHECK(says(refused(good + "2001-01-02,4\n"), "line 4: '2001-01-02' is earlier"));
    CHECK(says(refused(good + "2001-01-04,\"4\n"), "line 4: a quotation mark"));
    CHECK(says(refused(good + "2001-01-04,\n"), "line 4: the column 2 ends"));
    CHECK(says(refused("2001-01-01,1\n2001-01-02,\n2001-01-03,\n2001-01-04,\n2001-01-05,2\n"),
               "3 of 5 values"));
    CHECK(says(refused("date,n\n"), "no row of numbers"));
}
