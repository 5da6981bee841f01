using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>The temperature, or the two, under which the true labels of rows are likeliest.</summary>
internal sealed class TemperatureFit
{
    private const double Least = 1 / ScoreCalibration.MostTemperature, Most = 1 / ScoreCalibration.LeastTemperature;

    private readonly (float[] Distances, int Actual, double Weight)[] _choices;
    private readonly double _smoothing;

    /// <param name="task">What the model was trained for.</param>
    /// <param name="logits">Of each row.</param>
    /// <param name="labels">Of all rows.</param>
    /// <param name="weights">The rows' weights, or null.</param>
    private TemperatureFit(TextTask task, float[][] logits, float[] labels, float[]? weights)
    {
        int each = task.LabelsPerRow;
        double total = weights?.Sum(w => (double)w) ?? logits.Length;
        _choices = [.. logits.SelectMany((row, i) => task.Choices(row, labels.AsMemory(i * each, each)).Select(c => (c.Distances, c.Actual, (weights?[i] ?? 1) / (total * each))))];
        // As Platt does, so that rows that are all right do not make the model infinitely sure.
        _smoothing = 1.0 / (logits.Length + 2);
    }

    /// <summary>
    /// The single temperature (Guo et al., arXiv 1706.04599), and two with the place of the bend, where these are worth it by Schwarz's criterion (1978):
    /// where two numbers more raise the rows' log likelihood by more than ln(rows).
    /// </summary>
    public static ScoreCalibration Of(TextTask task, float[][] logits, float[] labels, float[]? weights)
    {
        var fit = new TemperatureFit(task, logits, labels, weights);
        var single = fit.Minimum(1, 1, double.PositiveInfinity);
        double temperature = 1 / single.Near;
        // Places at odds from e^0.5 to e^6 as the single temperature sees them.
        var (at, bent) = Enumerable.Range(1, 12).Select(i => i * temperature / 2).Select(at => (at, fit.Minimum(single.Near, single.Near, at))).MinBy(p => p.Item2.Loss);
        bool worthIt = logits.Length * (single.Loss - bent.Loss) > Math.Log(logits.Length);
        return new(temperature, null) { Bend = worthIt ? new(1 / bent.Near, at, 1 / bent.Far) : null };
    }

    /// <summary>Newton's method from a start, inside the bounds; the loss is convex in both slopes.</summary>
    private Point Minimum(double near, double far, double at)
    {
        var point = Evaluate(near, far, at);
        for (int i = 0; i < 50; i++)
        {
            var (stepNear, stepFar) = point.Step();
            Point next;
            double share = 1;
            do
            {
                next = Evaluate(Math.Clamp(point.Near + (share * stepNear), Least, Most), Math.Clamp(point.Far + (share * stepFar), Least, Most), at);
                share /= 2;
            }
            while (!(next.Loss <= point.Loss) && share > 1e-6);
            if (!(next.Loss < point.Loss))
                break;
            bool done = point.Loss - next.Loss < 1e-12;
            point = next;
            if (done)
                break;
        }
        return point;
    }

    private Point Evaluate(double near, double far, double at)
    {
        var point = new Point { Near = near, Far = far };
        foreach (var (distances, actual, weight) in _choices)
        {
            // The largest is 0, so that the mass is at least 1.
            double mass = 0, a = 0, b = 0, aa = 0, ab = 0, bb = 0, sumA = 0, sumB = 0;
            foreach (var x in distances)
            {
                var first = Math.Max(x, -at);
                var rest = Math.Min(x + at, 0);
                var share = Math.Exp((near * first) + (far * rest));
                mass += share;
                a += share * first;
                b += share * rest;
                aa += share * first * first;
                ab += share * first * rest;
                bb += share * rest * rest;
                sumA += first;
                sumB += rest;
            }
            (a, b) = (a / mass, b / mass);
            double even = _smoothing / distances.Length, own = 1 - _smoothing;
            double trueA = (own * Math.Max(distances[actual], -at)) + (even * sumA), trueB = (own * Math.Min(distances[actual] + at, 0)) + (even * sumB);
            point.Loss += weight * (Math.Log(mass) - (near * trueA) - (far * trueB));
            point.SlopeNear += weight * (a - trueA);
            point.SlopeFar += weight * (b - trueB);
            point.CurveNear += weight * ((aa / mass) - (a * a));
            point.CurveBoth += weight * ((ab / mass) - (a * b));
            point.CurveFar += weight * ((bb / mass) - (b * b));
        }
        return point;
    }

    /// <summary>The mean loss at two slopes, 1 / temperature, with its derivatives.</summary>
    private struct Point
    {
        public double Near, Far, Loss, SlopeNear, SlopeFar, CurveNear, CurveBoth, CurveFar;

        /// <summary>Newton's; a slope at its bound that wants to go beyond, or that no row has anything to say of, stays.</summary>
        public readonly (double Near, double Far) Step()
        {
            bool near = Moves(Near, SlopeNear, CurveNear), far = Moves(Far, SlopeFar, CurveFar);
            double determinant = (CurveNear * CurveFar) - (CurveBoth * CurveBoth);
            if (near && far && determinant > 1e-12 * CurveNear * CurveFar)
                return (((CurveBoth * SlopeFar) - (CurveFar * SlopeNear)) / determinant, ((CurveBoth * SlopeNear) - (CurveNear * SlopeFar)) / determinant);
            return (near ? -SlopeNear / CurveNear : 0, far ? -SlopeFar / CurveFar : 0);
        }

        private static bool Moves(double value, double slope, double curve) => curve > 1e-300 && !(value <= Least && slope > 0) && !(value >= Most && slope < 0);
    }
}
