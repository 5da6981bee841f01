using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

/// <summary>Whoever types a setting knows its key, and not the property behind it.</summary>
[TestClass]
public sealed class SettingKeyTests
{
    private static readonly Type[] Numbers = [typeof(int), typeof(long), typeof(float), typeof(double)];

    [TestMethod]
    [DataRow("-1000000000")]
    [DataRow("nan")]
    public void EveryMethodsNumbersAreRefusedByTheirKeys(string value) =>
        Refused(FineTuningMethodRegistry.All.Select(m => ((object)m, m.Name, m.ToJson())), "method", value, text => FineTuningMethod.Parse(text), 35);

    [TestMethod]
    [DataRow("-1000000000")]
    [DataRow("nan")]
    public void EveryStartsNumbersAreRefusedByTheirKeys(string value) => Refused(
        InitializationRegistry.BuiltIn.Select(i => ((object)i, i.Name, InitializationRegistry.ToJson(i))), "initialisation", value, text => LoraInitialization.Parse(text), 45);

    [TestMethod]
    [DataRow("adalora:target=-1", "The setting 'target' of the method 'adalora' is -1; it must be at least 1.")]
    [DataRow("adalora:TARGET=-1", "The setting 'TARGET' of the method 'adalora' is -1; it must be at least 1.")]
    [DataRow("adalora:TARGET=x", "The setting 'TARGET' of the method 'adalora' is 'x'; it must be a whole number, or null for none.")]
    [DataRow("beamlora:keep=1.5", "The setting 'keep' of the method 'beamlora' is 1.5; it must be a number between 0 and 1.")]
    [DataRow("pfeiffer:skip=-1", "The setting 'skip' of the method 'pfeiffer' is -1; it must be at least 0, the number of layers without a bottleneck.")]
    public void WhatWasFoundAndWhatIsAllowedIsSaid(string text, string expected) =>
        StringAssert.StartsWith(Assert.Throws<ArgumentException>(() => FineTuningMethod.Parse(text)).Message, expected);

    [TestMethod]
    public void InCodeThePropertyIsNamed()
    {
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new AdaLoraMethod { TargetRank = -1 });
        StringAssert.StartsWith(error.Message, "TargetRank = -1 is out of range: use at least 1.");
        Assert.AreEqual("TargetRank", error.ParamName);
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new HrpInitialization { BatchSize = 0 }).Message, "BatchSize = 0 is out of range: use at least 1.");
    }

    [TestMethod]
    public void ATypeWithWordsOfItsOwnKeepsThem()
    {
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new SettingReader("'mine'").Read(typeof(Own), new JsonObject { ["many"] = 7 }, JsonSerializerOptions.Web));
        StringAssert.StartsWith(error.Message, "The setting 'many' of 'mine' is 7: seven is too many");
    }

    private static void Refused(IEnumerable<(object Value, string Name, JsonObject Settings)> all, string kind, string value, Action<string> parse, int atLeast)
    {
        int refused = 0;
        foreach (var (owner, name, settings) in all)
            foreach (var property in owner.GetType().GetProperties().Where(p => Numbers.Contains(Nullable.GetUnderlyingType(p.PropertyType) ?? p.PropertyType)))
                if (Key(property) is var key && settings.ContainsKey(key) && Error(parse, $"{name}:{key}={value}") is { } error)
                {
                    StringAssert.StartsWith(error, $"The setting '{key}' of the {kind} '{name}' is ");
                    Assert.IsFalse(key != property.Name && error.Contains(property.Name, StringComparison.Ordinal), error);
                    refused++;
                }
        Assert.IsTrue(refused >= atLeast, $"only {refused} settings were refused");
    }

    private static string Key(PropertyInfo property) =>
        property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? JsonNamingPolicy.CamelCase.ConvertName(property.Name);

    private static string? Error(Action<string> parse, string text)
    {
        try
        {
            parse(text);
            return null;
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }
    }

    private sealed record Own
    {
        public int Many { get; init => field = value < 7 ? value : throw new ArgumentOutOfRangeException(nameof(Many), "seven is too many"); }
    }
}
