using System.Reflection;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Checkpointing;

namespace Microsoft.ML.LoraInit.Tests.Architecture;

/// <summary>The engine takes settings, not the trainers' options, and compares them all when it resumes.</summary>
[TestClass]
public sealed class EngineSettingsTests
{
    // What other entries of a fingerprint cover (the data's rows, the base, its precision, the task, the seed), and what changes no result.
    private static readonly string[] ComparedOtherwise =
    [
        nameof(LoraTrainerOptions.TextColumnName), nameof(LoraTrainerOptions.Text2ColumnName), nameof(LoraTrainerOptions.LabelColumnName),
        nameof(LoraTrainerOptions.ExampleWeightColumnName), nameof(LoraTrainerOptions.MaxLength), nameof(LoraTrainerOptions.SpecialTokensAsText),
        nameof(LoraTrainerOptions.ValidationData), nameof(LoraTrainerOptions.ValidationFraction), nameof(LoraTrainerOptions.BaseModel),
        nameof(LoraTrainerOptions.Precision), nameof(LoraTrainerOptions.Device), nameof(LoraTrainerOptions.Devices), nameof(LoraTrainerOptions.Seed),
        nameof(LoraTrainerOptions.ScoreColumnName), nameof(LoraTrainerOptions.Progress), nameof(LoraTrainerOptions.CancellationToken),
        nameof(LoraTrainerOptions.CheckpointDirectory), nameof(LoraTrainerOptions.CheckpointEverySteps), nameof(LoraTrainerOptions.SaveMode),
        nameof(LoraTrainerOptions.LabelSmoothing), nameof(LoraTrainerOptions.TemperatureScaling), nameof(LoraTrainerOptions.LongText),
    ];

    [TestMethod]
    public void EveryOptionIsComparedWhenACheckpointIsResumed()
    {
        var options = typeof(LoraTrainerOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(p => p.Name).ToArray();
        var forgotten = options.Except(ComparedOtherwise).Except(RunFingerprint.Settings).ToArray();
        Assert.AreEqual(0, forgotten.Length, $"Options that a checkpoint does not know: {string.Join(", ", forgotten)}. Hand them to the engine in FineTuningSettings, or list them here.");
        CollectionAssert.IsSubsetOf(RunFingerprint.Settings.ToArray(), options, "A setting is not called as the option is.");
    }

    [TestMethod]
    public void TheEngineHandsNoOptionsAround()
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        var places =
            from type in typeof(FineTuningRun).Assembly.GetTypes()
            where type.Namespace is { } name && $"{name}.".StartsWith($"{typeof(FineTuningRun).Namespace}.", StringComparison.Ordinal)
            from used in type.GetFields(All).Select(f => (f.Name, Type: f.FieldType))
                .Concat(type.GetMethods(All).SelectMany(m => m.GetParameters().Select(p => (m.Name, Type: p.ParameterType))))
            where typeof(LoraTrainerOptions).IsAssignableFrom(used.Type)
            select $"{type.Name}.{used.Name}";
        Assert.AreEqual("", string.Join(", ", places));
    }
}
