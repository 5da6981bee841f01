using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>The tables of docs/initialisation.md say what the strategies say of themselves.</summary>
[TestClass]
public sealed class InitializationPageTests
{
    private static readonly string[] Lines = File.ReadAllLines(BuildSettings.Source("docs", "initialisation.md"));

    private static readonly string[] Names = [.. InitializationRegistry.BuiltIn.Select(s => s.Name)];

    private static Dictionary<string, string[]> Strategies => Table("| name | source |").ToDictionary(r => r[0].Trim('`'), StringComparer.Ordinal);

    [TestMethod]
    public void EveryStrategyHasOneLine() => CollectionAssert.AreEquivalent(Names, Strategies.Keys.ToArray());

    [TestMethod]
    public void EverySettingIsNamedWithItsDefault()
    {
        foreach (var strategy in InitializationRegistry.BuiltIn)
            foreach (var (key, value) in InitializationRegistry.ToJson(strategy).Where(s => s.Key != "name"))
            {
                var told = Strategies[strategy.Name][^1];
                var found = Regex.Match(told, $@"\b{key}\b(?: \(([^();,]+))?");
                Assert.IsTrue(found.Success, $"{strategy.Name}: the page does not name the setting {key}.");
                if (found.Groups[1].Success && double.TryParse(found.Groups[1].Value, CultureInfo.InvariantCulture, out var number) && value is JsonValue)
                    Assert.AreEqual(value.GetValue<double>(), number, $"{strategy.Name}: {key}");
            }
    }

    [TestMethod]
    public void EveryStrategyIsInItsFamily()
    {
        var families = new Dictionary<string, InitializationFamily>
        {
            ["base untouched"] = InitializationFamily.BaseUntouched,
            ["base corrected"] = InitializationFamily.BaseCorrected,
            ["changes the function"] = InitializationFamily.ChangesFunction,
        };
        var rows = Table("| family | start |").ToDictionary(r => families[r[0]], r => r[2]);
        foreach (var strategy in InitializationRegistry.BuiltIn)
            foreach (var (family, members) in rows)
            {
                // In another family's line too where a setting takes it there, which stands behind it.
                var named = Member(strategy.Name).Match(members);
                Assert.IsTrue(family == strategy.Family ? named.Success : !named.Success || named.Groups[1].Success, $"{strategy.Name} in the line of {family}: {members}");
            }
    }

    [TestMethod]
    public void EveryStrategysNeedsAreTold()
    {
        var told = Table("| strategy | needs |").SelectMany(r => Expand(r[0]).Select(n => (Name: n, Row: r))).ToDictionary(r => r.Name, r => r.Row, StringComparer.Ordinal);
        CollectionAssert.AreEquivalent(Names, told.Keys.ToArray());
        foreach (var strategy in InitializationRegistry.BuiltIn)
        {
            var row = told[strategy.Name];
            var needs = row[1].Split('(')[0];
            foreach (var (need, word) in new[] { (InitializationNeeds.Activations, "inputs"), (InitializationNeeds.Gradients, "gradients"), (InitializationNeeds.Training, "training") })
                Assert.AreEqual(strategy.Needs.HasFlag(need), needs.Contains(word, StringComparison.Ordinal), $"{strategy.Name}: {word}");
            Assert.IsTrue(strategy.QuantizedBaseObstacle is null ? row[5] != "no" : row[5] is "no" or "uncorrected", $"{strategy.Name}: over a base in 4 bits: {row[5]}");
        }
    }

    /// <summary>Names of a line: "inilora-alpha, -beta" are inilora-alpha and inilora-beta.</summary>
    private static IEnumerable<string> Expand(string names)
    {
        var first = "";
        foreach (var name in names.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!name.StartsWith('-'))
                first = name;
            yield return name.StartsWith('-') ? first.Split('-')[0] + name : name;
        }
    }

    private static IEnumerable<string[]> Table(string head) => Lines.SkipWhile(l => !l.StartsWith(head, StringComparison.Ordinal)).Skip(2)
        .TakeWhile(l => l.StartsWith('|')).Select(l => l.Trim('|').Split('|', StringSplitOptions.TrimEntries));

    private static Regex Member(string name) => new($@"(?<![\w-]){Regex.Escape(name)}(?![\w-])( \()?");
}
