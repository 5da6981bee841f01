using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Export;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Libraries;

/// <summary>What a library does not take, and what it says.</summary>
[TestClass]
public sealed class AdapterLibraryRefusalTests
{
    [TestMethod]
    [DoNotParallelize]
    [DataRow("full", "base's own weights")]
    [DataRow("bitfit", "base's own weights")]
    [DataRow("houlsby:size=4", "bottlenecks")]
    [DataRow("replace", "rank")]
    public void AModelThatIsNoAdapterBesideTheBase(string start, string reason)
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create(start, MadeUpModels.Binary(), 1);
        long before = LiveTensors.Count();
        var error = Assert.ThrowsExactly<NotSupportedException>(() => library.Add("x", model));
        StringAssert.Contains(error.Message, reason);
        if (start != "replace")
            StringAssert.Contains(error.Message, $"'{start.Split(':')[0]}'");
        Assert.AreEqual(0, library.Names.Count);
        LiveTensors.AssertNoMoreThan(before);
    }

    [TestMethod]
    public void AnAdapterThatChangedTheBasesBiasesIsRefused()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        var ml = Topics.Context();
        var view = Topics.View(ml, Topics.Rows.Take(8));
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        using var model = ml.MulticlassClassification.Trainers.LoraTextClassification(
            Topics.Options(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.Lora(bias: LoraBias.LoraOnly), 1))).Fit(keyed);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => library.Add("x", model)).Message, "bias = LoraOnly");
    }

    [TestMethod]
    public void AReplacedBaseIsApproximatedOnRequest()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create("replace", MadeUpModels.Binary(), 1);
        Assert.IsTrue(library.Add("x", model, rank: 200).Modules.All(m => m.Rank == Math.Min(200, library.Base.Config.HiddenSize)));
    }

    [TestMethod]
    public void AModelOfAnotherBaseOrInFourBits()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create("plain", MadeUpModels.Binary(), 1);
        var state = model.Model.State;
        using var other = Like(model, new("other", new string('b', 64)), state.Description);
        var message = Assert.ThrowsExactly<ArgumentException>(() => library.Add("x", other)).Message;
        StringAssert.Contains(message, "'other'");
        StringAssert.Contains(message, "'mini'");
        using var packed = Like(model, state.Base, state.Description with { BaseQuantization = BaseQuantization.Nf4 });
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => library.Add("x", packed)).Message, "4 bits");
    }

    [TestMethod]
    public void NamesOptionsAndPipelines()
    {
        using var folder = new TemporaryFolder();
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b"), 1);
        Says<ArgumentException>(() => library.Predict("x", "text"), "'x'", "empty");
        library.Add("one", model);
        library.Add("two", model);
        Says<ArgumentException>(() => library.Predict("x", "text"), "'x'", "'one', 'two'");
        Says<ArgumentException>(() => library.Predict([new("one", "a"), new("x", "b")]), "Row 2", "'x'", "'one', 'two'");
        Says<ArgumentException>(() => library.Predict("one", "text", "second"), "'one'", "single");
        Says<ArgumentException>(() => library.Add("one", model), "'one'", "replace");
        Says<ArgumentException>(() => library.Add("one", PeftAdapterTests.Adapter), "'one'", "replace");
        Says<ArgumentException>(() => library.Add(" ", model), "name");
        Says<FileNotFoundException>(() => library.Add("three", folder.File("none")), folder.File("none"));
        File.WriteAllText(folder.File("text.mlnet"), "no archive");
        Says<InvalidDataException>(() => library.Add("three", folder.File("text.mlnet")), folder.File("text.mlnet"), "Model.Save");
        Says<ArgumentException>(() => library.Add("three", PeftAdapterTests.Adapter, new() { Labels = ["a"] }), "Labels", "3");
        Says<ArgumentException>(() => library.Add("three", PeftAdapterTests.Adapter, new() { MaxLength = 100_000 }), "MaxLength");
        Says<ArgumentException>(() => library.Add("three", PeftAdapterTests.Adapter, new() { BaseModel = RobertaCheckpoint.FromDirectory("/nowhere") }), "BaseModel", "mini");
        var nothing = new MLContext().Transforms.CopyColumns("b", "a").Fit(new MLContext().Data.LoadFromEnumerable(new[] { new { a = 1f } }));
        Says<ArgumentException>(() => library.Add("three", nothing), "'three'", "0 steps");
        Says<ArgumentException>(() => AdapterLibrary.Create(RobertaCheckpoint.Mini, new() { MaxTokensPerBatch = 0 }), "MaxTokensPerBatch");
        Assert.IsFalse(library.Remove("three"));
        CollectionAssert.AreEqual(new[] { "one", "two" }, library.Names.ToArray());

        using var pairs = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b"), 1, pair: true);
        library.Add("pairs", pairs);
        Says<ArgumentException>(() => library.Predict("pairs", "text"), "'pairs'", "second text");
    }

    internal static void Says<TException>(Func<object> action, params string[] parts)
        where TException : Exception
    {
        var message = Assert.ThrowsExactly<TException>(() => _ = action()).Message;
        foreach (var part in parts)
            StringAssert.Contains(message, part);
    }

    /// <summary>A model of the same tensors under another description; it scores nothing.</summary>
    private static LoraTextTransformer Like(LoraTextTransformer model, BaseIdentity identity, FineTunedDescription description)
    {
        var state = model.Model.State;
        var other = new FineTunedState(identity, state.Config, state.Outputs, description, state.Tensors.ToDictionary(t => t.Key, t => t.Value.clone()));
        using var weights = new BaseWeights(state.Config, identity, MadeUpModels.Base.Tensors.ToDictionary(t => t.Key, t => t.Value.alias()));
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        return LoraTextTransformer.Of(FineTunedModel.Create(model.Model.ModelSettings, other, model.History, RobertaCheckpoint.Mini, tokenizer, weights, CPU));
    }
}
