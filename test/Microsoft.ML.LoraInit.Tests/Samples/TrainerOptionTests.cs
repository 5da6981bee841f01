using Microsoft.ML.LoraInit.Samples.Commands;
using Microsoft.ML.LoraInit.Samples.Commands.Options;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>Every option of every trainer is on the command line.</summary>
[TestClass]
public sealed class TrainerOptionTests
{
    private static IReadOnlyList<TrainerOption> All { get; } = TrainerOption.All();

    [TestMethod]
    public void EveryOptionIsThereOrLeftOutForAReason()
    {
        var properties = TrainerOption.Properties().Select(p => p.Name).ToArray();
        CollectionAssert.AreEquivalent(properties, All.Select(o => o.Property).Concat(TrainerOptionTable.Left.Keys).ToArray());
        Assert.IsTrue(TrainerOptionTable.Left.Values.All(reason => reason.Length > 5));
    }

    [TestMethod]
    public void NamesAreUniqueAndDescriptionsAreWords()
    {
        Assert.AreEqual(All.Count, All.Select(o => o.Name).Distinct().Count());
        Assert.IsEmpty(All.Where(o => o.Option.Description!.Length < 10 || o.Option.Description.Contains("Options.")).Select(o => o.Name).ToArray());
        Assert.IsTrue(All.All(o => o.Name.StartsWith("--", StringComparison.Ordinal) && o.Name == o.Name.ToLowerInvariant()));
    }

    public static IEnumerable<object[]> Names => All.Select(o => new object[] { o.Property });

    /// <summary>A text that is not the default's sets the property to what the same text stands for.</summary>
    [TestMethod]
    [DynamicData(nameof(Names))]
    public void WhatIsTypedIsSet(string property)
    {
        var command = new System.CommandLine.Command("train");
        var option = TrainerOption.All().Single(o => o.Property == property);
        command.Options.Add(option.Option);
        LoraTrainerOptions[] kinds =
        [
            new LoraTextClassificationTrainer.Options(), new LoraBinaryTextClassificationTrainer.Options(),
            new LoraMultiLabelTextClassificationTrainer.Options(), new LoraTextRegressionTrainer.Options(),
        ];
        var options = kinds.First(k => k.GetType().GetProperty(property) is not null);
        var info = options.GetType().GetProperty(property)!;
        var before = info.GetValue(options);
        var text = Sample(property, info.PropertyType, before);
        option.Apply(command.Parse([option.Name, option.IsInverted ? "true" : text]), options);
        var after = info.GetValue(options);
        Assert.AreNotEqual(before, after);
        var value = property == nameof(LoraTrainerOptions.RankPattern) ? RankPatternText.Value : OptionValue.Of(info.PropertyType);
        Assert.AreEqual(text, value.Format(after!));
    }

    [TestMethod]
    public void WhatIsNotTypedKeepsTheTrainersDefault()
    {
        var command = new System.CommandLine.Command("train");
        var all = TrainerOption.All();
        foreach (var option in all)
            command.Options.Add(option.Option);
        var (options, fresh) = (new LoraTextClassificationTrainer.Options(), new LoraTextClassificationTrainer.Options());
        foreach (var option in all)
            option.Apply(command.Parse([]), options);
        foreach (var info in TrainerOption.Properties().Where(p => p.Name != nameof(LoraTrainerOptions.Seed) && fresh.GetType().GetProperty(p.Name) is not null))
            if (typeof(LoraTextClassificationTrainer.Options).GetProperty(info.Name) is { } own && own.PropertyType.IsValueType)
                Assert.AreEqual(own.GetValue(fresh), own.GetValue(options), info.Name);
        Assert.AreEqual(0, options.Seed);
    }

    private static string Sample(string property, Type type, object? before)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return property switch
        {
            nameof(LoraTrainerOptions.BaseModel) => "FacebookAI/roberta-base",
            nameof(LoraTrainerOptions.Initialization) => "pissa:iterations=16",
            nameof(LoraTrainerOptions.Method) => "bitfit",
            nameof(LoraTrainerOptions.TargetModules) or nameof(LoraTrainerOptions.ExcludeModules) => "key,dense",
            nameof(LoraTrainerOptions.LayersToTransform) => "0,2",
            nameof(LoraTrainerOptions.RankPattern) => "query=4,value=12",
            nameof(LoraTrainerOptions.AlphaPattern) => "query=4.5",
            nameof(LoraTrainerOptions.Device) => "cpu",
            nameof(LoraTrainerOptions.LongText) => "windows:256",
            nameof(LoraTextClassificationTrainer.Options.ClassWeights) => "a=2,b=0.5",
            _ when type == typeof(bool) => before is true ? "false" : "true",
            _ when type == typeof(int) => "7",
            _ when type == typeof(double) => "0.375",
            _ when type == typeof(string) => "somewhere",
            _ when OptionValue.Of(type).Choices is { } choices => choices.First(c => c != (before is null ? null : OptionValue.Of(type).Format(before))),
            _ => throw new NotSupportedException($"Give {property} a sample here."),
        };
    }
}
