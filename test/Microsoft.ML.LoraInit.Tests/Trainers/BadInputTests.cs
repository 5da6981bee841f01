using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Training;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>What Fit refuses, and that the message helps.</summary>
[TestClass]
public class BadInputTests
{
    private readonly MLContext _ml = Topics.Context();

    [TestMethod]
    public void AMissingColumnIsNamedWithThoseThatAre()
    {
        var message = Refused<ArgumentOutOfRangeException>(Topics.Options(o => o.TextColumnName = "Review"), Topics.Rows);
        StringAssert.Contains(message, "'Review'");
        StringAssert.Contains(message, "'Text'");
    }

    [TestMethod]
    public void AWrongTypeIsNamedWithTheRightOne()
    {
        StringAssert.Contains(Refused<ArgumentOutOfRangeException>(Topics.Options(o => o.TextColumnName = "Value"), Topics.Rows), "'Value'");
        StringAssert.Contains(Refused<ArgumentOutOfRangeException>(Topics.Options(o => o.ExampleWeightColumnName = "Number"), Topics.Rows), "Single");
        var unkeyed = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            _ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options()).Fit(Topics.View(_ml)));
        StringAssert.Contains(unkeyed.Message, "MapValueToKey");
        var notBoolean = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
            _ml.BinaryClassification.Trainers.LoraTextClassification("Label").Fit(Topics.View(_ml)));
        StringAssert.Contains(notBoolean.Message, "Boolean");
    }

    [TestMethod]
    public void NoRowsAreRefused()
    {
        var keys = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(_ml));
        var none = keys.Transform(_ml.Data.FilterRowsByColumn(Topics.View(_ml), "Value", 100, 200));
        var error = Assert.ThrowsExactly<InvalidDataException>(() => _ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options()).Fit(none));
        StringAssert.Contains(error.Message, "no rows");
    }

    [TestMethod]
    public void OneClassOnlyIsRefused()
    {
        var sport = Topics.Rows.Where(r => r.Label == "sport").ToArray();
        StringAssert.Contains(Refused<ArgumentOutOfRangeException>(Topics.Options(), sport), "at least two classes");
        var binary = Assert.ThrowsExactly<InvalidDataException>(() =>
            _ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary()).Fit(Topics.View(_ml, sport)));
        StringAssert.Contains(binary.Message, "same label");
    }

    [TestMethod]
    public void LabelsOutOfRangeAreRefusedWithTheirRow()
    {
        var keys = _ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(_ml));
        var unknown = keys.Transform(Topics.View(_ml, Topics.Rows.Take(4).Append(new() { Text = "x", Label = "music" })));
        var key = Assert.ThrowsExactly<InvalidDataException>(() => _ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options()).Fit(unknown));
        StringAssert.Contains(key.Message, "Row 5");

        var nan = Topics.Rows.Take(4).Append(new() { Text = "x", Value = float.NaN });
        var number = Assert.ThrowsExactly<InvalidDataException>(() => _ml.Regression.Trainers.LoraTextRegression(Topics.Regression()).Fit(Topics.View(_ml, nan)));
        StringAssert.Contains(number.Message, "Row 5");
    }

    [TestMethod]
    public void ModelSettingsThatDoNotFitAreRefusedBeforeAnyWork()
    {
        Refuse("Rank = 257", o => o.Rank = 257);
        Refuse("TargetModules", o => o.TargetModules = TargetModules.Named("attention.flux"));
        Refuse("LayersToTransform", o => o.LayersToTransform = [4]);
        Refuse("MaxLength = 513", o => o.MaxLength = 513);

        void Refuse(string part, Action<LoraTextClassificationTrainer.Options> change)
        {
            var seen = new List<TrainingPhase>();
            var message = Refused<ArgumentException>(Topics.Options(o =>
            {
                change(o);
                o.Progress = new Callback(p => seen.Add(p.Phase));
            }), Topics.Rows);
            StringAssert.Contains(message, part);
            CollectionAssert.DoesNotContain(seen, TrainingPhase.Tokenizing);
        }
    }

    [TestMethod]
    public void ADeviceThatIsNotThereIsRefusedUnlessTheCpuWillDo()
    {
        var ml = new MLContext(1) { GpuDeviceId = 99, FallbackToCpu = false };
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => Topics.Pipeline(ml, Topics.Options()).Fit(Topics.View(ml)));
        StringAssert.Contains(error.Message, "99");

        ml.FallbackToCpu = true;
        using var model = Topics.Pipeline(ml, Topics.Options(o => o.MaxEpochs = 1)).Fit(Topics.View(ml, Topics.Rows.Take(9)));
        Assert.AreEqual(1, TrainedModels.Step(model).History.Epochs.Count);
    }

    [TestMethod]
    [DataRow(TrainingPhase.LoadingModel)]
    [DataRow(TrainingPhase.Tokenizing)]
    [DataRow(TrainingPhase.Initializing)]
    [DataRow(TrainingPhase.Training)]
    public void CancellationEndsEveryPhase(TrainingPhase phase)
    {
        using var source = new CancellationTokenSource();
        var options = Topics.Options(o =>
        {
            o.MaxEpochs = 50;
            o.CancellationToken = source.Token;
            o.Progress = new Callback(p =>
            {
                if (p.Phase == phase)
                    source.Cancel();
            });
        });

        try
        {
            using var model = Topics.Pipeline(_ml, options).Fit(Topics.View(_ml));
            Assert.AreEqual(TrainingPhase.Training, phase, "only training leaves a model behind");
            Assert.IsTrue(TrainedModels.Step(model).History.Cancelled);
        }
        catch (OperationCanceledException)
        {
            // Before the first epoch's end there is no model to return.
        }
        Assert.IsTrue(source.IsCancellationRequested, $"the phase {phase} was never reported");
    }

    [TestMethod]
    public void CancellationAfterAnEpochKeepsTheBestModel()
    {
        using var source = new CancellationTokenSource();
        var options = Topics.Options(o =>
        {
            o.MaxEpochs = 100;
            o.CancellationToken = source.Token;
            o.Progress = new Callback(p =>
            {
                if (p.Epoch >= 2)
                    source.Cancel();
            });
        });

        using var model = Topics.Pipeline(_ml, options).Fit(Topics.View(_ml));

        var history = TrainedModels.Step(model).History;
        Assert.IsTrue(history.Cancelled);
        Assert.IsTrue(history.Epochs.Count is >= 1 and < 100);
        Assert.AreEqual(Topics.Rows.Count, model.Transform(Topics.View(_ml)).GetColumn<float[]>("Score").Count());
    }

    [TestMethod]
    public void MLNetsOwnCancellationEndsTheTraining()
    {
        // What AutoML does when a trial's time is up; MLContext has no public method for it.
        var cancel = typeof(MLContext).GetMethod("CancelExecution", BindingFlags.Instance | BindingFlags.NonPublic)!;
        var options = Topics.Options(o =>
        {
            o.MaxEpochs = 100;
            o.Progress = new Callback(p =>
            {
                if (p.Phase == TrainingPhase.Initializing)
                    cancel.Invoke(_ml, null);
            });
        });

        Assert.ThrowsExactly<OperationCanceledException>(() => Topics.Pipeline(_ml, options).Fit(Topics.View(_ml)));
    }

    private string Refused<T>(LoraTextClassificationTrainer.Options options, IEnumerable<Topics.Row> rows)
        where T : Exception => Assert.ThrowsExactly<T>(() => Topics.Pipeline(_ml, options).Fit(Topics.View(_ml, rows))).Message;
}
