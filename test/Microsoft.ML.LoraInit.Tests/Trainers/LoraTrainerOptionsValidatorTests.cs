using Microsoft.ML.LoraInit.Trainers;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

[TestClass]
public class LoraTrainerOptionsValidatorTests
{
    private static readonly Dictionary<string, (string Option, Action<LoraTextClassificationTrainer.Options> Change)> Bad = new()
    {
        ["no text column"] = ("TextColumnName", o => o.TextColumnName = ""),
        ["null label column"] = ("LabelColumnName", o => o.LabelColumnName = null!),
        ["blank second text"] = ("Text2ColumnName", o => o.Text2ColumnName = " "),
        ["blank weight"] = ("ExampleWeightColumnName", o => o.ExampleWeightColumnName = ""),
        ["text is label"] = ("LabelColumnName", o => o.LabelColumnName = o.TextColumnName),
        ["equal outputs"] = ("Score", o => o.PredictedLabelColumnName = o.ScoreColumnName),
        ["no score column"] = ("output column", o => o.ScoreColumnName = ""),
        ["no base"] = ("BaseModel", o => o.BaseModel = null!),
        ["no method"] = ("Method", o => o.Method = null!),
        ["rank 0"] = ("Rank = 0", o => o.Rank = 0),
        ["alpha 0"] = ("Alpha = 0", o => o.Alpha = 0),
        ["alpha NaN"] = ("Alpha = NaN", o => o.Alpha = double.NaN),
        ["dropout 1"] = ("LoraDropout = 1", o => o.LoraDropout = 1),
        ["no targets"] = ("TargetModules", o => o.TargetModules = null!),
        ["no initialisation"] = ("Initialization", o => o.Initialization = null!),
        ["no rank pattern"] = ("RankPattern", o => o.RankPattern = null!),
        ["no alpha pattern"] = ("AlphaPattern", o => o.AlphaPattern = null!),
        ["epochs 0"] = ("MaxEpochs = 0", o => o.MaxEpochs = 0),
        ["batch 0"] = ("BatchSize = 0", o => o.BatchSize = 0),
        ["accumulation 0"] = ("GradientAccumulationSteps = 0", o => o.GradientAccumulationSteps = 0),
        ["rate 0"] = ("InitialLearningRate = 0", o => o.InitialLearningRate = 0),
        ["rate infinite"] = ("InitialLearningRate", o => o.InitialLearningRate = double.PositiveInfinity),
        ["schedule"] = ("LearningRateSchedule", o => o.LearningRateSchedule = (LearningRateSchedule)9),
        ["warm-up 1"] = ("WarmupRatio = 1", o => o.WarmupRatio = 1),
        ["ratio 0"] = ("LoraPlusRatio = 0", o => o.LoraPlusRatio = 0),
        ["ratio infinite"] = ("LoraPlusRatio", o => o.LoraPlusRatio = double.PositiveInfinity),
        ["preconditioning"] = ("GradientPreconditioning", o => o.GradientPreconditioning = (GradientPreconditioning)9),
        ["damping 0"] = ("PreconditioningDamping = 0", o => o.PreconditioningDamping = 0),
        ["preconditioning one trained factor"] = ("'mica'", o => (o.GradientPreconditioning, o.Initialization) = (GradientPreconditioning.Riemannian, LoraInitialization.Mica())),
        ["preconditioning three factors"] = ("'nlora'", o => (o.GradientPreconditioning, o.Initialization) = (GradientPreconditioning.Riemannian, LoraInitialization.Nlora())),
        ["preconditioning a frozen factor"] = ("freeze = A", o => (o.GradientPreconditioning, o.Method) = (GradientPreconditioning.Riemannian, FineTuningMethod.Lora(AdapterFactor.A))),
        ["frozen zero"] = ("'kaiming', which starts B at zero", o => o.Method = FineTuningMethod.Lora(AdapterFactor.B)),
        ["frozen factor"] = ("Method.Freeze = 7", o => o.Method = FineTuningMethod.Lora((AdapterFactor)7)),
        ["biases"] = ("Method.Bias = 7", o => o.Method = FineTuningMethod.Lora(bias: (LoraBias)7)),
        ["quantisation"] = ("BaseQuantization", o => o.BaseQuantization = (BaseQuantization)9),
        ["quantised base corrected"] = ("'pissa'", o => (o.BaseQuantization, o.Initialization) = (BaseQuantization.Nf4, LoraInitialization.Pissa())),
        ["quantised base differentiated"] = ("'lora-one'", o => (o.BaseQuantization, o.Initialization) = (BaseQuantization.Nf4, LoraInitialization.LoraOne())),
        ["decay below 0"] = ("WeightDecay = -1", o => o.WeightDecay = -1),
        ["norm below 0"] = ("MaxGradientNorm = -1", o => o.MaxGradientNorm = -1),
        ["length 2"] = ("MaxLength = 2", o => o.MaxLength = 2),
        ["fraction 1"] = ("ValidationFraction = 1", o => o.ValidationFraction = 1),
        ["fraction and data"] = ("ValidationData", o => (o.ValidationFraction, o.ValidationData) = (0.1, Topics.View(new MLContext()))),
        ["patience 0"] = ("EarlyStoppingPatience = 0", o => (o.EarlyStoppingPatience, o.ValidationFraction) = (0, 0.1)),
        ["patience without rows"] = ("ValidationFraction", o => o.EarlyStoppingPatience = 1),
        ["precision"] = ("Precision", o => o.Precision = (Precision)9),
        ["no devices"] = ("Devices is empty", o => o.Devices = []),
        ["null device"] = ("Devices contains null", o => o.Devices = [null!]),
        ["device and devices"] = ("Device = cpu", o => (o.Device, o.Devices) = (torch.CPU, [Cuda(0), Cuda(1)])),
        ["devices of two kinds"] = ("'cpu' is none", o => o.Devices = [Cuda(0), torch.CPU]),
        ["device twice"] = ("CUDA device 0 is named twice", o => o.Devices = [Cuda(-1), Cuda(1), Cuda(0)]),
        ["more devices than rows"] = ("BatchSize = 2", o => (o.Devices, o.BatchSize) = ([Cuda(0), Cuda(1), Cuda(2)], 2)),
        ["devices and 4 bits"] = ("BaseQuantization = Nf4", o => (o.Devices, o.BaseQuantization) = ([Cuda(0), Cuda(1)], BaseQuantization.Nf4)),
        ["save mode"] = ("SaveMode", o => o.SaveMode = (ModelSaveMode)9),
        ["blank folder"] = ("CheckpointDirectory", o => o.CheckpointDirectory = ""),
        ["every without folder"] = ("CheckpointDirectory", o => o.CheckpointEverySteps = 5),
        ["every 0"] = ("CheckpointEverySteps = 0", o => (o.CheckpointEverySteps, o.CheckpointDirectory) = (0, "x")),
    };

    public static IEnumerable<object[]> Cases => Bad.Keys.Select(k => new object[] { k });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void ABadOptionIsRefusedWhenTheTrainerIsMade(string name)
    {
        var options = Topics.Options(Bad[name].Change);

        var error = Assert.ThrowsExactly<ArgumentException>(() => new MLContext().MulticlassClassification.Trainers.LoraTextClassification(options));

        StringAssert.Contains(error.Message, Bad[name].Option);
    }

    [TestMethod]
    public void SeveralDevicesAreGoodButRefusedByNameWhereTheyAreNotThere()
    {
        var ml = new MLContext();
        var pipeline = Topics.Pipeline(ml, Topics.Options(o => o.Devices = [Cuda(98), Cuda(99)]));
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => pipeline.Fit(Topics.View(ml)));
        StringAssert.Contains(error.Message, "Options.Devices names cuda:98");
    }

    [TestMethod]
    public void TheDefaultsAreGood() => LoraTrainerOptionsValidator.Check(new LoraTextClassificationTrainer.Options(), ["PredictedLabel", "Score"]);

    [TestMethod]
    public void ATrainerKeepsTheOptionsItWasGiven()
    {
        var options = Topics.Options(o => o.TextColumnName = "Missing");
        var ml = new MLContext();
        var trainer = ml.Regression.Trainers.LoraTextRegression(new LoraTextRegressionTrainer.Options { LabelColumnName = "Value" });
        var changed = new LoraTextRegressionTrainer.Options { LabelColumnName = "Value" };
        var second = ml.Regression.Trainers.LoraTextRegression(changed);
        changed.LabelColumnName = "Label";

        var shape = Topics.Shape(Topics.View(ml));
        Assert.AreEqual("Score", trainer.GetOutputSchema(shape).Last().Name);
        Assert.AreEqual("Score", second.GetOutputSchema(shape).Last().Name, "the caller's later change must not reach the trainer");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ml.MulticlassClassification.Trainers.LoraTextClassification(options).GetOutputSchema(shape));
    }

    private static torch.Device Cuda(int index) => new(DeviceType.CUDA, index);
}
