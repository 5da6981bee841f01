using Microsoft.ML.LoraInit.Tests.Packaging;
using Microsoft.ML.LoraInit.Tests.Training;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>Which initialisations go with which variant: what docs/methods.md says, and that what goes trains and what does not is refused.</summary>
[TestClass]
public sealed class FamilyTableTests
{
    private static readonly string[] Methods = ["adalora", "sora", "lora-pro", "kasa", "dylora", "sd-lora", "beamlora", "alora", "rm-lora", "rosa"];

    public static IEnumerable<object[]> Pairs =>
        from method in Tests.Training.Family.All from start in new[] { "gaussian", "pissa", "loftq", "nlora" } select new object[] { method, start };

    [TestMethod]
    public void ThePagesTableIsTheCodes()
    {
        var page = File.ReadAllText(BuildSettings.Source("docs", "methods.md")).ReplaceLineEndings("\n");
        var table = string.Concat(LoraInitialization.Published.Select(i =>
            $"| `{i.Name}` |{string.Concat(Methods.Select(m => FineTuningMethod.Parse(m).GoesWith(i) ? " yes |" : " |"))}\n"));
        StringAssert.Contains(page, table, $"docs/methods.md should have the table\n{table}");
        foreach (var method in Tests.Training.Family.All.Where(m => !Methods.Contains(m.Split(':')[0])))
            Assert.IsFalse(LoraInitialization.Published.Any(i => i.Name != "kaiming" && FineTuningMethod.Parse(method).GoesWith(i)), method);
    }

    [TestMethod]
    public void ThePageNamesEveryVariant()
    {
        var page = File.ReadAllText(BuildSettings.Source("docs", "methods.md"));
        foreach (var method in Tests.Training.Family.All.Concat(Tests.Training.Family.Full).Select(m => m.Split(':')[0]))
            StringAssert.Contains(page, $"`{method}`");
    }

    [TestMethod]
    [DynamicData(nameof(Pairs))]
    public void WhatDoesNotGoIsRefusedBeforeAnythingIsOpened(string method, string start)
    {
        var options = ToyRun.Options<LoraTextClassificationTrainer.Options>(o => (o.Method, o.Initialization) = (FineTuningMethod.Parse(method), LoraInitialization.Parse(start)));
        void Check() => Microsoft.ML.LoraInit.Trainers.LoraTrainerOptionsValidator.Check(options, ["Score"]);
        if (options.Method.GoesWith(options.Initialization))
            Check();
        else
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(Check).Message, $"does not go with the method '{options.Method.Name}'");
    }

    [TestMethod]
    [DataRow("adalora", nameof(LoraTrainerOptions.UseDora))]
    [DataRow("sora", nameof(LoraTrainerOptions.GradientPreconditioning))]
    [DataRow("lora-pro", nameof(LoraTrainerOptions.LoraPlusRatio))]
    [DataRow("loha", nameof(LoraTrainerOptions.LoraPlusRatio))]
    [DataRow("lokr", nameof(LoraTrainerOptions.LoraPlusRatio))]
    [DataRow("kasa", nameof(LoraTrainerOptions.BaseQuantization))]
    [DataRow("dylora", nameof(LoraTrainerOptions.Devices))]
    [DataRow("lisa", nameof(LoraTrainerOptions.Devices))]
    [DataRow("rosa", nameof(LoraTrainerOptions.Devices))]
    public void AnOptionThatMeansNothingIsRefusedByName(string method, string option)
    {
        var options = ToyRun.Options<LoraTextClassificationTrainer.Options>(o => o.Method = FineTuningMethod.Parse(method));
        typeof(LoraTrainerOptions).GetProperty(option)!.SetValue(options, option switch
        {
            nameof(LoraTrainerOptions.UseDora) => true,
            nameof(LoraTrainerOptions.GradientPreconditioning) => GradientPreconditioning.Riemannian,
            nameof(LoraTrainerOptions.LoraPlusRatio) => 16.0,
            nameof(LoraTrainerOptions.BaseQuantization) => BaseQuantization.Nf4,
            _ => new TorchSharp.torch.Device[] { new("cuda:0"), new("cuda:1") },
        });
        var error = Assert.ThrowsExactly<ArgumentException>(() => Microsoft.ML.LoraInit.Trainers.LoraTrainerOptionsValidator.Check(options, ["Score"]));
        StringAssert.Contains(error.Message, option);
    }

    [TestMethod]
    [DataRow("adalora:interval=0")]
    [DataRow("adalora:beta1=1")]
    [DataRow("sora:threshold=-1")]
    [DataRow("lokr:factor=0")]
    [DataRow("dylora:use=0")]
    [DataRow("melora:count=0")]
    [DataRow("sd-lora:stages=0")]
    [DataRow("beamlora:every=1")]
    [DataRow("beamlora:keep=1")]
    [DataRow("alora:rounds=0")]
    [DataRow("rm-lora:penalty=-1")]
    [DataRow("galore:rank=0")]
    [DataRow("galore:gap=0")]
    [DataRow("galore:scale=0")]
    [DataRow("lisa:layers=0")]
    [DataRow("prolora:a=0")]
    [DataRow("prolora:b=0")]
    [DataRow("prolora:unshared=-1")]
    [DataRow("rosa:density=1")]
    [DataRow("rosa:warmup=-1")]
    [DataRow("rosa:gradients=0")]
    [DataRow("lisa:interval=0")]
    public void ASettingOutOfRangeIsRefusedByName(string text) =>
        StringAssert.Contains(Assert.Throws<ArgumentException>(() => FineTuningMethod.Parse(text)).Message, $"'{text.Split(':', '=')[1]}'");

    [TestMethod]
    public void SettingsHaveShortNames()
    {
        Assert.AreEqual(new AdaLoraMethod { TargetRank = 8, InitialRank = 12, OrthogonalityWeight = 0.1 }, FineTuningMethod.Parse("adalora:target=8,initial=12,orthogonality=0.1"));
        Assert.AreEqual(FineTuningMethod.Lokr(8, both: true), FineTuningMethod.Parse("lokr:factor=8,both=true"));
    }
}
